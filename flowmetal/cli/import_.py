"""``fmvm import``: a run from a file."""

from __future__ import annotations

import shlex
from typing import Any

import click

from flowmetal.cli.driving import open_engine, there, way_on
from flowmetal.cli.options import grant_options, grants_in, json_option, store_option
from flowmetal.cli.output import complain, say, say_json


@click.command("import", epilog="Example: fmvm import run.fms && fmvm resume 7f3c")
@store_option
@grant_options
@click.option("--no-grants", is_flag=True, help="Grant nothing, whatever the file says.")
@json_option
@click.argument("file", metavar="FILE.fms")
def command(
    store_url: str | None, as_json: bool, file: str, no_grants: bool, **allowed: Any
) -> None:
    """Take the run in FILE.fms into the store; it keeps its id and brings its program along.

    What it may do is what is granted here; without a word about that, what the file says. Where
    $FLOWMETAL_KEYS has keys, only a file that is sealed with one of them is believed.
    """
    if no_grants and any(allowed.values()):
        raise click.UsageError("--no-grants and the --allow options exclude each other")
    grants = grants_in(allowed) if no_grants or any(allowed.values()) else None
    with open_engine(store_url) as engine:
        run = engine.import_run(file, grants=grants)
        view = engine.view(run)
        told = [] if grants is not None else engine.granted(run).as_options()
    if as_json:
        say_json({"id": run})
    else:
        say(run)
        if told:
            words = " ".join(map(shlex.quote, told))
            complain(f"it may do what the file says: {words} (--no-grants takes that away)")
        if view.state in ("completed", "cancelled"):
            complain(f"it has ended: {view.state}")
        else:
            complain(f"go on with: {there(way_on(view), store_url)}")
