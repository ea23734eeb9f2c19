"""``fmc lint``: what is allowed and still likely wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from flowmetal.cli.guard import print_diagnostics
from flowmetal.cli.options import json_option
from flowmetal.cli.output import coloured, complain, render, say, say_json
from flowmetal.errors import Diagnostic, FlowmetalError


@click.command("lint", epilog="Example: fmc lint src")
@click.option(
    "--path",
    "roots",
    metavar="DIR",
    multiple=True,
    help="Where namespaces are found (repeatable). Default: $FLOW_PATH, flow.edn, FILE's root.",
)
@json_option
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
def command(roots: tuple[str, ...], as_json: bool, files: tuple[str, ...]) -> int:
    """Look for likely mistakes in FILEs: sources, or folders with sources.

    `;; lint: ignore NAME` switches a lint off for the form that follows it.
    """
    from flowmetal.embed.config import source_roots
    from flowmetal.tools.linting import NAMES, lint_source
    from flowmetal.tools.sources import read_source_file, source_names

    found, wrong = list[Diagnostic](), list[Diagnostic]()
    names = source_names(files)
    status = 0
    for name in names:
        file = Path(name)
        try:
            source = read_source_file(name).source
            found += lint_source(source, file, source_roots(file, roots))
        except FlowmetalError as error:
            wrong += [one for one in error.diagnostics if one not in wrong]
            status = max(status, error.exit_status)
    if as_json:
        from flowmetal.embed.rendering import to_json

        say_json([to_json(one) | {"lint": NAMES.get(one.code)} for one in (*wrong, *found)])
    else:
        if wrong:
            print_diagnostics(tuple(wrong))
        if found:
            say(render(found, sys.stdout), colours=coloured(sys.stdout))
        elif not wrong:
            complain(f"{len(names)} file{'s' if len(names) != 1 else ''}: nothing to point at")
    return max(status, int(bool(found)))
