"""``fmvm wait``: wait for the end of a run without driving it."""

from __future__ import annotations

import click

from flowmetal.cli.driving import INTERRUPTED, NOT_ENDED, open_engine, show_end
from flowmetal.cli.options import json_option, read_duration_us, store_option
from flowmetal.cli.output import complain
from flowmetal.ids import shell_word


@click.command("wait", epilog="Example: fmvm wait 7f3c --timeout 5m")
@store_option
@json_option
@click.option("--timeout", metavar="TIME", help="Give up (exit 4) after this long, e.g. 5m.")
@click.argument("run", metavar="RUN")
def command(store_url: str | None, as_json: bool, timeout: str | None, run: str) -> int:
    """Wait until RUN ends, driven by somebody else, and print its result."""
    timeout_us = None if timeout is None else read_duration_us(timeout, "--timeout")
    with open_engine(store_url, must_exist=True) as engine:
        found = engine.find(run)
        try:
            view = engine.wait(found, timeout_us)
        except KeyboardInterrupt:
            complain(f"interrupted; run {found} is as it was")
            return INTERRUPTED
        if view is None:
            complain(
                f"run {found} has not ended within {timeout}; "
                f"`fmvm why {shell_word(found)}` says what it waits for"
            )
            return NOT_ENDED
        return show_end(engine, view, store_url, as_json)
