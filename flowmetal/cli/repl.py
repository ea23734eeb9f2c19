"""``fmvm repl``: a conversation with the language."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowmetal.cli.options import grant_options, grants_in, path_option
from flowmetal.errors import UsageError

if TYPE_CHECKING:
    from flowmetal.embed.interactive import Interactive
    from flowmetal.runtime.observer import Observer


@click.command("repl", epilog="Example: fmvm repl --allow-http=api.example.com --allow-fs=read:.")
@path_option
@grant_options
@click.option(
    "--python",
    "modules",
    metavar="MODULE",
    multiple=True,
    help="A Python module or file whose functions may be called (repeatable).",
)
@click.argument("run", metavar="[RUN]", required=False)
def command(
    roots: tuple[str, ...],
    no_contracts: bool,
    modules: tuple[str, ...],
    run: str | None,
    **allowed: Any,
) -> int:
    """Read forms, evaluate them and print their values.

    At a terminal with editing, completion and history; from a pipe one value
    on each line, and exit status 1 if anything failed. Effects are performed
    as far as they are granted.
    """
    if run is not None:
        raise UsageError(
            "FM1300",
            f"the REPL has a machine of its own and does not look into run {run}",
            hint=f"`fmvm eval {run} EXPR` looks into a copy of it, `fmvm show {run}` says where it stands",
        )
    from flowmetal.cli.guard import report_internal_error
    from flowmetal.embed.config import source_roots
    from flowmetal.repl.conversation import Conversation

    grants = grants_in(allowed)
    folders = source_roots(Path.cwd() / "repl", roots)
    functions: list[Callable[..., Any]] = []
    if modules:
        from flowmetal.embed.functions import functions_of

        functions = functions_of(modules)

    def make(observer: Observer) -> Interactive:
        from flowmetal.embed.interactive import Interactive

        return Interactive(
            observer,
            roots=folders,
            grants=grants,
            functions=functions,
            contracts=not no_contracts,
        )

    if sys.stdin.isatty() and sys.stdout.isatty():
        from flowmetal.repl.terminal import TerminalScreen, converse

        screen = TerminalScreen()
        return converse(Conversation(make, screen, report_internal_error), screen)
    from flowmetal.repl.piped import PlainScreen, converse_piped

    plain = PlainScreen(sys.stdout, sys.stderr)
    return converse_piped(Conversation(make, plain, report_internal_error), sys.stdin)
