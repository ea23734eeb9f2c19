"""``fmvm unpause``: let a paused run go on."""

from __future__ import annotations

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import json_option, store_option
from flowmetal.cli.output import say, say_json


@click.command("unpause", epilog="Example: fmvm unpause 7f3c")
@store_option
@json_option
@click.argument("run", metavar="RUN")
def command(store_url: str | None, as_json: bool, run: str) -> None:
    """Let the paused RUN go on: an interpreter takes it, or `fmvm resume` does."""
    with open_engine(store_url, must_exist=True) as engine:
        found = engine.find(run)
        state = engine.unpause(found)
    if as_json:
        say_json({"id": found, "state": state})
    else:
        say(f"run {found} is {state}")
