"""``fmvm query``: ask a run what its program lets one ask."""

from __future__ import annotations

import sys

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import json_option, limit_option, read_json, store_option
from flowmetal.cli.output import complain, render, say, say_json


@click.command("query", epilog="""Example: fmvm query 7f3c total '["EUR"]'""")
@store_option
@json_option
@limit_option
@click.option("--at", type=int, metavar="N", help="As the run stood after event N.")
@click.argument("run", metavar="RUN")
@click.argument("name", metavar="NAME")
@click.argument("arguments", metavar="[JSON]", required=False)
def command(
    store_url: str | None,
    as_json: bool,
    limits: tuple[str, ...],
    at: int | None,
    run: str,
    name: str,
    arguments: str | None,
) -> int:
    """Print what RUN answers to the query NAME (`defquery`). JSON is an array of arguments, or the only one.

    The run does not change; it may wait, have failed or have ended.
    """
    from flowmetal.embed.asking import Thrown
    from flowmetal.embed.views import to_json
    from flowmetal.values import Vector, pr_str

    given = () if arguments is None else read_json(arguments, "the argument")
    values = tuple(given) if isinstance(given, Vector | tuple) else (given,)
    with open_engine(store_url, limits=limits, must_exist=True) as engine:
        found = engine.find(run)
        try:
            value = engine.query(found, name, *values, at=at)
        except Thrown as error:
            sources = engine.sources(engine.view(found).program)
            complain(render(error.diagnostics, sys.stderr, sources))
            return error.exit_status
    if as_json:
        say_json(to_json(value))
    else:
        say(pr_str(value))
    return 0
