"""``fmvm import``: a run from a file."""

from __future__ import annotations

import click

from flowmetal.cli.driving import open_engine, way_on
from flowmetal.cli.options import json_option, store_option
from flowmetal.cli.output import complain, say, say_json


@click.command("import", epilog="Example: fmvm import run.fms && fmvm resume 7f3c")
@store_option
@json_option
@click.argument("file", metavar="FILE.fms")
def command(store_url: str | None, as_json: bool, file: str) -> None:
    """Take the run in FILE.fms into the store; it keeps its id and brings its program along."""
    with open_engine(store_url) as engine:
        run = engine.import_run(file)
        view = engine.view(run)
    if as_json:
        say_json({"id": run})
    else:
        say(run)
        if view.state in ("completed", "cancelled"):
            complain(f"it has ended: {view.state}")
        else:
            complain(f"go on with: {way_on(view)}")
