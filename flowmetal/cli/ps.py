"""``fmvm ps``: the runs of a store."""

from __future__ import annotations

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import json_option, read_tags, store_option
from flowmetal.cli.output import ago, complain, say, say_json, table
from flowmetal.embed.views import RunView

STATES = (
    "queued", "ready", "running", "waiting", "completed", "failed", "cancelled", "paused", "exporting", "moved",
)  # fmt: skip


@click.command("ps", epilog="Example: fmvm ps --state waiting --tag shop=1")
@store_option
@json_option
@click.option(
    "--state", "states", type=click.Choice(STATES), multiple=True, help="Only these states."
)
@click.option(
    "--program",
    metavar="HASH|NAME",
    default="",
    help="Only this program: the beginning of its hash, or the name it is deployed as.",
)
@click.option("--tag", "tags", metavar="K=V", multiple=True, help="Only runs with this tag.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
def command(
    store_url: str | None,
    as_json: bool,
    states: tuple[str, ...],
    program: str,
    tags: tuple[str, ...],
    limit: int,
) -> None:
    """List runs, newest first: state, program, age and what each waits for."""
    with open_engine(store_url, must_exist=True) as engine:
        views = engine.runs(states=states, program=program, tags=read_tags(tags), limit=limit)
        now_us = engine.now_us()
    if as_json:
        say_json([view.summary_json() for view in views])
        return
    if not views:
        complain("no runs")
        return
    rows = [
        (v.id, v.state, v.entry, v.program[:12], ago(v.created_us, now_us), _says(v, now_us))
        for v in views
    ]
    say(table(("RUN", "STATE", "ENTRY", "PROGRAM", "CREATED", "WAITS FOR"), rows))


def _says(view: RunView, now_us: int) -> str:
    """Return what a run waits for, after what it says of itself."""
    waits = view.waiting_text(now_us)
    status = view.status_text()
    return f"{status}: {waits}" if status and waits else status or waits
