"""``fmvm programs``: what is deployed."""

from __future__ import annotations

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import json_option, store_option
from flowmetal.cli.output import ago, complain, say, say_json, table


@click.command("programs", epilog="Example: fmvm programs --json")
@store_option
@json_option
def command(store_url: str | None, as_json: bool) -> None:
    """List the names of deployed programs, what each stands for and since when."""
    with open_engine(store_url, must_exist=True) as engine:
        found = engine.deployed()
        now_us = engine.now_us()
    if as_json:
        say_json([one.as_json() for one in found])
    elif not found:
        complain("no programs are deployed")
    else:
        rows = [(one.name, one.program[:12], ago(one.time_us, now_us)) for one in found]
        say(table(("NAME", "PROGRAM", "DEPLOYED"), rows))
