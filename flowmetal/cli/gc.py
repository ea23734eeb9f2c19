"""``fmvm gc``: the retention policy, applied."""

from __future__ import annotations

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import json_option, read_duration_us, store_option, whole_number
from flowmetal.cli.output import complain, say, say_json


@click.command("gc", epilog="Example: fmvm gc --ended 90d --snapshots 10 --dry-run")
@store_option
@json_option
@click.option(
    "--ended", default="30d", show_default=True, metavar="DUR", help="Keep ended runs so long."
)
@click.option(
    "--history", metavar="DUR", help="Of runs that go on, keep events so long. Default: for ever."
)
@click.option(
    "--snapshots",
    default="all",
    show_default=True,
    metavar="all|N|latest",
    help="Which snapshots to keep for looking back: all, one for every N events, or the latest alone.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
def command(
    store_url: str | None,
    as_json: bool,
    ended: str,
    history: str | None,
    snapshots: str,
    dry_run: bool,
) -> None:
    """Let go of the past: runs that ended long ago, old snapshots and events, parts nobody needs.

    No run loses its ability to go on. A run that has failed is kept, for it can be revived.
    """
    from flowmetal.embed.retention import Retention

    policy = Retention(
        read_duration_us(ended, "--ended"),
        None if history is None else read_duration_us(history, "--history"),
        _snapshots(snapshots),
    )
    with open_engine(store_url, must_exist=True) as engine:
        found = engine.collect(policy, dry_run=dry_run)
    if as_json:
        say_json(
            {
                "dry_run": dry_run,
                "runs": found.runs,
                "events": found.events,
                "snapshots": found.snapshots,
                "snapshot_bytes": found.snapshot_bytes,
                "chunks": found.chunks,
                "busy": found.busy,
            }
        )
        return
    verb = "would go" if dry_run else "went"
    say(
        f"{len(found.runs)} runs, {found.events} events,"
        f" {found.snapshots} snapshots ({found.snapshot_bytes} bytes) and {found.chunks} chunks {verb}"
    )
    if found.busy:
        complain(
            f"left for the next time, since somebody has them just now: {', '.join(found.busy)}"
        )


def _snapshots(text: str) -> str | int:
    if text in ("all", "latest"):
        return text
    number = whole_number(text)
    if number:
        return number
    raise click.UsageError("--snapshots takes all, latest or a number from 1")
