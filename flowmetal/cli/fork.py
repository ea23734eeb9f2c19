"""``fmvm fork``: another run that goes on from where one stands, or stood."""

from __future__ import annotations

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import json_option, limit_option, path_option, read_results, store_option
from flowmetal.cli.output import complain, say, say_json


@click.command(
    "fork", epilog="Example: fmvm fork 7f3c --at 118 --result 12='\"paid\"' --id what-if"
)
@store_option
@json_option
@limit_option
@path_option
@click.option(
    "--at", type=int, metavar="N", help="From the state after event N. Default: as it is."
)
@click.option("--program", "file", metavar="FILE", help="Let the fork go on with this program.")
@click.option("--id", "fork", metavar="ID", help="The id of the fork. Default: a fresh one.")
@click.option("--perform", is_flag=True, help="Perform anew what was in flight there.")
@click.option(
    "--result",
    "results",
    metavar="EFFECT=JSON",
    multiple=True,
    help="What an effect that was in flight came to (repeatable).",
)
@click.argument("run", metavar="RUN")
def command(
    store_url: str | None,
    as_json: bool,
    limits: tuple[str, ...],
    roots: tuple[str, ...],
    no_contracts: bool,
    at: int | None,
    file: str | None,
    fork: str | None,
    perform: bool,
    results: tuple[str, ...],
    run: str,
) -> None:
    """Make a new run from the state of RUN after event N, and print its id. RUN does not change.

    What was in flight there is not performed again: the fork holds it until somebody says what
    becomes of it, here or with `fmvm resume`. Waits for time and signals go on. Callbacks,
    children, locks and subscriptions stay RUN's.
    """
    from flowmetal.embed.files import load_program

    program = None
    if file is not None:
        program = load_program(file, roots=roots, contracts=not no_contracts)
    said = read_results(results)
    with open_engine(store_url, limits=limits, must_exist=True) as engine:
        found = engine.find(run)
        made = engine.fork(found, at=at, id=fork, program=program, results=said, perform=perform)
    if as_json:
        say_json(made.as_json() | {"from": found})
        return
    say(made.id)
    for note in made.notes():
        complain(f"run {made.id}: {note}")
