"""``fmvm upgrade``: runs on new code."""

from __future__ import annotations

import click

from flowmetal.cli.driving import REFUSED, open_engine
from flowmetal.cli.options import json_option, path_option, read_tags, store_option
from flowmetal.cli.output import complain, say, say_json, table
from flowmetal.errors import FlowmetalError

_MOST = 100_000


@click.command("upgrade", epilog="Example: fmvm upgrade --of 3f9a --program shop.flow --dry-run")
@store_option
@json_option
@path_option
@click.option("--program", "file", metavar="FILE", required=True, help="The new code.")
@click.option("--dry-run", is_flag=True, help="Say what would become of each run; change nothing.")
@click.option(
    "--of",
    "program_name",
    metavar="HASH|NAME",
    default="",
    help="All runs of this program: the beginning of its hash, or the name it is deployed as.",
)
@click.option(
    "--state",
    "states",
    type=click.Choice(("queued", "ready", "waiting", "paused", "failed")),
    multiple=True,
    help="All runs in this state (repeatable).",
)
@click.option("--tag", "tags", metavar="K=V", multiple=True, help="All runs with this tag.")
@click.argument("runs", metavar="[RUN]...", nargs=-1)
def command(
    store_url: str | None,
    as_json: bool,
    roots: tuple[str, ...],
    no_contracts: bool,
    file: str,
    dry_run: bool,
    program_name: str,
    states: tuple[str, ...],
    tags: tuple[str, ...],
    runs: tuple[str, ...],
) -> int:
    """Move each RUN to the program FILE, in one commit each.

    Vars are those of the new program; a function that is being executed keeps its code until it
    returns, and so do functions that the run holds as values. State keeps its values. A run that
    cannot go on with the program is refused and stays what it is.
    """
    from flowmetal.embed.files import load_program
    from flowmetal.embed.upgrading import UpgradeView

    chosen = bool(program_name or states or tags)
    if bool(runs) == chosen:
        raise click.UsageError("name runs, or choose them by --of, --state or --tag")
    program = load_program(file, roots=roots, contracts=not no_contracts)
    found: list[UpgradeView] = []
    with open_engine(store_url, must_exist=True) as engine:
        names = [engine.find(run) for run in runs]
        if chosen:
            living = states or ("queued", "ready", "running", "waiting", "paused", "failed")
            views = engine.runs(
                states=living, program=program_name, tags=read_tags(tags), limit=_MOST
            )
            names = [view.id for view in views]
        for name in names:
            try:
                found.append(engine.upgrade(name, program, dry_run=dry_run))
            except FlowmetalError as error:
                found.append(UpgradeView.refused(name, error))
    if as_json:
        say_json([view.as_json() for view in found])
    elif found:
        say(table(("RUN", "OUTCOME"), [(view.run, view.text()) for view in found]))
    else:
        complain("no runs")
    return REFUSED if any(view.outcome == "refused" for view in found) else 0
