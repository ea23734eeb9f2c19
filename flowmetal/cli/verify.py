"""``fmvm verify``: the history of a run, checked."""

from __future__ import annotations

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import json_option, limit_option, store_option
from flowmetal.cli.output import complain, say, say_json


@click.command("verify", epilog="Example: fmvm verify 7f3c")
@store_option
@json_option
@limit_option
@click.argument("run", metavar="RUN")
def command(store_url: str | None, as_json: bool, limits: tuple[str, ...], run: str) -> int:
    """Check the history of RUN: its chain, its sense, and that its program does what it says.

    Nothing is performed and nothing is written. With the keys in the file that
    $FLOWMETAL_KEYS names, nobody without them can have changed it. The limits have to be those
    that RUN was driven with.
    """
    with open_engine(store_url, limits=limits, must_exist=True) as engine:
        found = engine.find(run)
        verification = engine.verify(found)
    if as_json:
        say_json(
            {
                "id": found,
                "ok": not verification.problems,
                "events": verification.events,
                "first": verification.first,
                "chained": verification.chained,
                "keyed": verification.keyed,
                "replayed": verification.replayed,
                "problems": verification.problems,
            }
        )
        return 1 if verification.problems else 0
    if verification.problems:
        for problem in verification.problems:
            complain(f"run {found}: {problem}")
        return 1
    chain = "chained with a key" if verification.keyed else "chained without a key"
    again = "they lead to where the run stands" if verification.replayed else "not gone through"
    say(f"run {found}: {verification.events} events, {chain}; {again}")
    return 0
