"""``fmc disasm``: readable bytecode."""

from __future__ import annotations

import click

from flowmetal.cli.options import json_option, path_option
from flowmetal.cli.output import say, say_json


@click.command("disasm", epilog="Example: fmc disasm orders.flow orders/charge!")
@path_option
@json_option
@click.argument("file", metavar="FILE")
@click.argument("function", metavar="[FUNCTION]", required=False)
def command(
    roots: tuple[str, ...], no_contracts: bool, as_json: bool, file: str, function: str | None
) -> None:
    """Show the bytecode of FILE (.flow or .fmb), or of one FUNCTION in it, with source lines."""
    from flowmetal.embed.files import load_program
    from flowmetal.embed.inspection import disassembly

    program = load_program(file, roots=roots, contracts=not no_contracts)
    listings = disassembly(program, function)
    if as_json:
        say_json([{"function": name, "listing": text} for name, text in listings])
    else:
        say("\n\n".join(text.rstrip("\n") for _, text in listings))
