"""``fmvm why``: what a run is waiting for, in words."""

from __future__ import annotations

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import json_option, store_option
from flowmetal.cli.output import say, say_json


@click.command("why", epilog="Example: fmvm why 7f3c")
@store_option
@json_option
@click.argument("run", metavar="RUN")
def command(store_url: str | None, as_json: bool, run: str) -> None:
    """Say what RUN is waiting for, since when, who could wake it and what was tried."""
    with open_engine(store_url, must_exist=True) as engine:
        found = engine.find(run)
        text = engine.why(found)
    if as_json:
        say_json({"id": found, "why": text})
    else:
        say(text)
