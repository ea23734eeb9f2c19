"""``fmvm undeploy``: take a name away from a program."""

from __future__ import annotations

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import json_option, store_option
from flowmetal.cli.output import say, say_json
from flowmetal.errors import UsageError


@click.command("undeploy", epilog="Example: fmvm undeploy shop")
@store_option
@json_option
@click.argument("name", metavar="NAME")
def command(store_url: str | None, as_json: bool, name: str) -> None:
    """Take NAME away. Runs in flight go on; nothing new is started by that name."""
    with open_engine(store_url, must_exist=True) as engine:
        if not engine.undeploy(name):
            raise UsageError(
                "FM0732",
                f"no program is deployed as {name}",
                hint="`fmvm programs` lists the names",
            )
    if as_json:
        say_json({"name": name})
    else:
        say(f"{name} stands for nothing now; its runs go on")
