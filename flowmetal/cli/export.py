"""``fmvm export``: a run as one file."""

from __future__ import annotations

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import json_option, limit_option, read_results, store_option
from flowmetal.cli.output import complain, say, say_json


@click.command("export", epilog="Example: fmvm export 7f3c -o run.fms && scp run.fms other:")
@store_option
@json_option
@limit_option
@click.option("-o", "output", metavar="FILE.fms", help="Where to write it. Default: RUN.fms here.")
@click.option(
    "--in-doubt", is_flag=True, help="Export although an at-most-once effect is in flight."
)
@click.option("--copy", is_flag=True, help="Leave the run here; the file holds a fork of it.")
@click.option(
    "--id", "fork", metavar="ID", help="With --copy: the id of the fork. Default: a fresh one."
)
@click.option("--at", type=int, metavar="N", help="With --copy: from the state after event N.")
@click.option("--perform", is_flag=True, help="With --copy: perform anew what was in flight.")
@click.option(
    "--result",
    "results",
    metavar="EFFECT=JSON",
    multiple=True,
    help="With --copy: what an effect that was in flight came to (repeatable).",
)
@click.option(
    "--force", is_flag=True, help="Move although it is tied to others here; cut the ties."
)
@click.option(
    "--abandon", is_flag=True, help="Give up an export whose process died: the run goes on here."
)
@click.argument("run", metavar="RUN")
def command(
    store_url: str | None,
    as_json: bool,
    limits: tuple[str, ...],
    output: str | None,
    in_doubt: bool,
    copy: bool,
    fork: str | None,
    at: int | None,
    perform: bool,
    results: tuple[str, ...],
    force: bool,
    abandon: bool,
    run: str,
) -> None:
    """Write RUN (program, snapshot, history) to one file and move it away from this store."""
    if fork is not None and not copy:
        raise click.UsageError("--id goes with --copy: a run that moves keeps its id")
    if not copy and (at is not None or perform or results):
        raise click.UsageError("--at, --perform and --result go with --copy")
    if limits and not copy:
        raise click.UsageError("--limit goes with --copy: a run that moves is not computed")
    if abandon and (copy or in_doubt or force or output is not None):
        raise click.UsageError("--abandon takes no other option but --store and --json")
    with open_engine(store_url, limits=limits, must_exist=True) as engine:
        found = engine.find(run)
        if abandon:
            engine.abandon_export(found)
            state = engine.view(found).state
            if as_json:
                say_json({"id": found, "state": state})
            else:
                say(state)
                complain(f"run {found} goes on here; remove the file, if there is one")
            return
        if copy:
            said = read_results(results)
            path, made = engine.export_copy(
                found, output, id=fork, at=at, results=said, perform=perform
            )
            if as_json:
                say_json(made.as_json() | {"file": path, "from": found})
                return
            say(path)
            complain(f"run {found} stays; the file holds a fork of it, run {made.id}")
            for note in made.notes():
                complain(f"run {made.id}: {note}")
            return
        path = engine.export(found, output, in_doubt=in_doubt, force=force)
    if as_json:
        say_json({"id": found, "file": path})
        return
    say(path)
    complain(f"run {found} has moved into the file; `fmvm import` takes it into a store")
