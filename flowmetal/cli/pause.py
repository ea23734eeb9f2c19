"""``fmvm pause``: keep a run from being driven."""

from __future__ import annotations

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import json_option, store_option
from flowmetal.cli.output import say, say_json


@click.command("pause", epilog="Example: fmvm pause 7f3c --reason maintenance")
@store_option
@json_option
@click.option("--reason", default="", help="Why; kept in the history.")
@click.argument("run", metavar="RUN")
def command(store_url: str | None, as_json: bool, reason: str, run: str) -> None:
    """Keep RUN from being driven until `fmvm unpause`. What comes in is kept for it."""
    with open_engine(store_url, must_exist=True) as engine:
        found = engine.find(run)
        state = engine.pause(found, reason)
    if as_json:
        say_json({"id": found, "state": state})
    elif state == "paused":
        say(f"run {found} is paused")
    else:
        say(
            f"run {found} is {state}: whoever drives it pauses it before its next step,"
            " or when an at-most-once effect in flight has ended"
        )
