"""``fmvm deploy``: give a name to a program and its grants."""

from __future__ import annotations

from typing import Any

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import grant_options, grants_in, json_option, path_option, store_option
from flowmetal.cli.output import say, say_json


@click.command(
    "deploy", epilog="Example: fmvm deploy shop.flow --name shop --allow-http=pay.internal"
)
@store_option
@path_option
@grant_options
@json_option
@click.option("--name", metavar="NAME", required=True, help="The name to start it by.")
@click.argument("file", metavar="FILE")
def command(
    store_url: str | None,
    as_json: bool,
    roots: tuple[str, ...],
    no_contracts: bool,
    name: str,
    file: str,
    **allowed: Any,
) -> None:
    """Let NAME stand for the program FILE, for `start!` and for those who start it from outside.

    Runs in flight keep the program that they have.
    """
    from flowmetal.embed.files import load_program

    grants = grants_in(allowed)
    program = load_program(file, roots=roots, contracts=not no_contracts)
    with open_engine(store_url) as engine:
        previous = engine.deploy(program, name, grants=grants)
    if as_json:
        say_json({"name": name, "program": program.hash, "previous": previous})
    elif previous is None:
        say(f"{name} is program {program.hash[:12]}")
    elif previous == program.hash:
        say(f"{name} is program {program.hash[:12]}, as before")
    else:
        say(f"{name} is program {program.hash[:12]}; it was {previous[:12]}")
