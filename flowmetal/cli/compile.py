"""``fmc compile``: a file and all that it requires into one .fmb file."""

from __future__ import annotations

import click

from flowmetal.cli.options import json_option, path_option
from flowmetal.cli.output import say, say_json


@click.command("compile", epilog="Example: fmc compile orders.flow -o build/orders.fmb")
@path_option
@json_option
@click.option("-o", "output", metavar="OUT.fmb", help="Where to write it. Default: beside FILE.")
@click.argument("file", metavar="FILE.flow")
def command(
    roots: tuple[str, ...], no_contracts: bool, as_json: bool, output: str | None, file: str
) -> None:
    """Compile FILE.flow and all that it requires into one file; print its path and hash."""
    from flowmetal.embed.files import compile_path, write_program_file

    program = compile_path(file, roots=roots, contracts=not no_contracts)
    path = write_program_file(program, file, output)
    if as_json:
        say_json({"file": path, "hash": program.hash})
    else:
        say(f"{path}  {program.hash}")
