"""``fmvm repl``: a conversation with the language."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowmetal.cli.options import grant_options, grants_in, path_option, store_option
from flowmetal.errors import UsageError

if TYPE_CHECKING:
    from flowmetal.embed.interactive import Interactive
    from flowmetal.runtime.observer import Observer


_EXAMPLES = """Example: fmvm repl --allow-http=api.example.com --allow-fs=read:.

fmvm repl 7f3c --at 118"""


@click.command("repl", epilog=_EXAMPLES)
@store_option
@path_option
@grant_options
@click.option(
    "--python",
    "modules",
    metavar="MODULE",
    multiple=True,
    help="A Python module or file whose functions may be called (repeatable).",
)
@click.option("--at", type=int, metavar="N", help="With RUN: as it stood after event N.")
@click.option("--fiber", type=int, metavar="N", help="With RUN: see `fmvm eval`.")
@click.option("--frame", type=int, metavar="N", help="With RUN: see `fmvm eval`.")
@click.argument("run", metavar="[RUN]", required=False)
def command(
    store_url: str | None,
    roots: tuple[str, ...],
    no_contracts: bool,
    modules: tuple[str, ...],
    at: int | None,
    fiber: int | None,
    frame: int | None,
    run: str | None,
    **allowed: Any,
) -> int:
    """Read forms, evaluate them and print their values.

    At a terminal with editing, completion and history; from a pipe one value
    on each line, and exit status 1 if anything failed. Effects are performed
    as far as they are granted. With RUN in a copy of its machine, the locals of
    a frame included; RUN does not change, and effects are refused.
    """
    from flowmetal.embed.config import source_roots

    folders = source_roots(Path("repl"), roots)
    if run is None:
        if (store_url, at, fiber, frame) != (None, None, None, None):
            raise UsageError(
                "FM1300", "--store, --at, --fiber and --frame are about a run: name one"
            )
        grants = grants_in(allowed)
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

        return _converse(make)
    if modules or any(allowed.values()):
        raise UsageError(
            "FM1300",
            f"nothing can be granted: effects are refused in a copy of run {run}",
            hint="leave --allow-... and --python out",
        )
    from flowmetal.cli.driving import open_engine

    with open_engine(store_url, must_exist=True) as engine:
        found = engine.find(run)
        look = partial(engine.look, found, at=at, fiber=fiber, frame=frame)

        def make_copy(observer: Observer) -> Interactive:
            from flowmetal.embed.interactive import Interactive

            return Interactive(observer, roots=folders, contracts=not no_contracts, look=look)

        when = "" if at is None else f" as it stood after event {at}"
        return _converse(
            make_copy,
            f"A copy of run {found}{when}. (frames) says where it stands, (frame n) and (fiber n) look"
            " elsewhere, Ctrl-D leaves.",
        )


def _converse(make: Callable[[Observer], Interactive], about: str | None = None) -> int:
    """Hold a conversation. ``about``: what is looked at, which has to be there before it begins."""
    from flowmetal.cli.guard import report_internal_error
    from flowmetal.repl.conversation import Conversation

    if sys.stdin.isatty() and sys.stdout.isatty():
        from flowmetal.repl.terminal import WELCOME, TerminalScreen, converse

        screen = TerminalScreen()
        conversation = Conversation(make, screen, report_internal_error)
        if about is not None:
            _ = conversation.interactive
        return converse(conversation, screen, about or WELCOME)
    from flowmetal.cli.driving import INTERRUPTED
    from flowmetal.cli.output import OutputLost, complain, pass_on
    from flowmetal.repl.piped import PlainScreen, converse_piped, lines_of

    def report(crash: Exception) -> None:
        if isinstance(crash, OutputLost):  # no mistake of ours, and the end
            raise crash
        report_internal_error(crash)

    plain = PlainScreen(partial(pass_on, sys.stdout), partial(pass_on, sys.stderr))
    conversation = Conversation(make, plain, report)
    if about is not None:
        _ = conversation.interactive
    try:
        return converse_piped(conversation, lines_of(sys.stdin.buffer))
    except OutputLost as lost:
        if lost.args[0]:
            raise
        complain("nobody reads the values; the forms that follow are not evaluated")
        return INTERRUPTED
