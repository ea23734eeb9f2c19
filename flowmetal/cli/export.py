"""``fmvm export``: a run as one file."""

from __future__ import annotations

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import json_option, store_option
from flowmetal.cli.output import complain, say, say_json


@click.command("export", epilog="Example: fmvm export 7f3c -o run.fms && scp run.fms other:")
@store_option
@json_option
@click.option("-o", "output", metavar="FILE.fms", help="Where to write it. Default: RUN.fms here.")
@click.option(
    "--in-doubt", is_flag=True, help="Export although an at-most-once effect is in flight."
)
@click.option("--copy", is_flag=True, help="Leave the run here; the file holds a fork of it.")
@click.option(
    "--id", "fork", metavar="ID", help="With --copy: the id of the fork. Default: a fresh one."
)
@click.argument("run", metavar="RUN")
def command(
    store_url: str | None,
    as_json: bool,
    output: str | None,
    in_doubt: bool,
    copy: bool,
    fork: str | None,
    run: str,
) -> None:
    """Write RUN (program, snapshot, history) to one file and move it away from this store."""
    if fork is not None and not copy:
        raise click.UsageError("--id goes with --copy: a run that moves keeps its id")
    with open_engine(store_url, must_exist=True) as engine:
        found = engine.find(run)
        if copy:
            path, forked = engine.export_copy(found, output, id=fork)
        else:
            path, forked = engine.export(found, output, in_doubt=in_doubt), ""
    if copy:
        if as_json:
            say_json({"id": forked, "file": path, "from": found})
            return
        say(path)
        complain(f"run {found} stays; the file holds a fork of it, run {forked}")
        return
    if as_json:
        say_json({"id": found, "file": path})
        return
    say(path)
    complain(f"run {found} has moved into the file; `fmvm import` takes it into a store")
