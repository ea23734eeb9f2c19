"""``fmvm cancel``: cancel a run."""

from __future__ import annotations

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import json_option, store_option
from flowmetal.cli.output import say, say_json


@click.command("cancel", epilog='Example: fmvm cancel 7f3c --reason "ordered twice"')
@store_option
@json_option
@click.option("--reason", default="", help="Why; the run sees it.")
@click.option("--now", is_flag=True, help="Stop it at once; `finally` blocks do not run.")
@click.argument("run", metavar="RUN")
def command(store_url: str | None, as_json: bool, reason: str, now: bool, run: str) -> None:
    """Cancel RUN. Its `finally` blocks run when it is driven next, unless --now."""
    with open_engine(store_url, must_exist=True, as_json=True) as engine:
        found = engine.find(run)
        state = engine.cancel(found, reason, now=now)
    if as_json:
        say_json({"id": found, "state": state})
    elif state == "cancelled":
        say(f"run {found} is cancelled")
    else:
        say(f"run {found} is asked to stop; `finally` blocks run when it is driven next")
