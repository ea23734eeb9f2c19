"""``fmc inspect``: what is in a .fmb file."""

from __future__ import annotations

import click

from flowmetal.cli.options import json_option, path_option
from flowmetal.cli.output import say, say_json


@click.command("inspect", epilog="Example: fmc inspect orders.fmb --json")
@path_option
@json_option
@click.argument("file", metavar="FILE.fmb")
def command(roots: tuple[str, ...], no_contracts: bool, as_json: bool, file: str) -> None:
    """Show hash, format, entry points with parameters, effects, foreign functions and namespaces."""
    from flowmetal.embed.files import load_program
    from flowmetal.embed.inspection import inspect_program

    found = inspect_program(load_program(file, roots=roots, contracts=not no_contracts))
    if as_json:
        say_json(found.as_json())
    else:
        say(found.as_text())
