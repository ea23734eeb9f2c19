"""``fmvm eval``: an expression in a copy of a run's machine."""

from __future__ import annotations

import sys

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import json_option, limit_option, store_option
from flowmetal.cli.output import complain, render, say, say_json
from flowmetal.errors import CompileError, ReadError


@click.command("eval", epilog="Example: fmvm eval 7f3c '(count orders)' --at 118")
@store_option
@json_option
@limit_option
@click.option("--at", type=int, metavar="N", help="As the run stood after event N.")
@click.option("--fiber", type=int, metavar="N", help="Default: the one that failed, or the first.")
@click.option(
    "--frame",
    type=int,
    metavar="N",
    help="Whose locals can be used; 0 is the innermost. Default: the innermost of the program's own.",
)
@click.argument("run", metavar="RUN")
@click.argument("expression", metavar="EXPR")
def command(
    store_url: str | None,
    as_json: bool,
    limits: tuple[str, ...],
    at: int | None,
    fiber: int | None,
    frame: int | None,
    run: str,
    expression: str,
) -> int:
    """Print the value of EXPR in a copy of RUN's machine: vars, the library, and the locals of a frame.

    The run does not change, and effects are refused.
    """
    from flowmetal.embed.asking import SOURCE, Thrown, printed
    from flowmetal.embed.views import to_json

    with open_engine(store_url, limits=limits, must_exist=True) as engine:
        found = engine.find(run)
        try:
            value = engine.eval(found, expression, at=at, fiber=fiber, frame=frame)
            text = "" if as_json else printed(value)
        except (CompileError, ReadError, Thrown) as error:
            complain(render(error.diagnostics, sys.stderr, {SOURCE: expression}))
            return error.exit_status
    if as_json:
        say_json(to_json(value))
    else:
        say(text)
    return 0
