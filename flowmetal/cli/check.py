"""``fmc check``: all that is wrong with source files."""

from __future__ import annotations

import click

from flowmetal.cli.guard import print_diagnostics
from flowmetal.cli.options import json_option, path_option
from flowmetal.cli.output import complain, say_json
from flowmetal.errors import Diagnostic, FlowmetalError


@click.command("check", epilog="Example: fmc check src/*.flow")
@path_option
@json_option
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
def command(
    roots: tuple[str, ...], no_contracts: bool, as_json: bool, files: tuple[str, ...]
) -> int:
    """Check FILEs as compile does and write nothing. Reports every error that it can find."""
    from flowmetal.embed.files import compile_path

    found: list[Diagnostic] = []
    status = 0
    for file in files:
        try:
            compile_path(file, roots=roots, contracts=not no_contracts)
        except FlowmetalError as error:
            found += [one for one in error.diagnostics if one not in found]
            status = max(status, error.exit_status)
    if as_json:
        from flowmetal.embed.rendering import to_json

        say_json([to_json(one) for one in found])
    elif found:
        print_diagnostics(tuple(found))
    else:
        complain(f"{len(files)} file{'s' if len(files) > 1 else ''} checked: nothing is wrong")
    return status
