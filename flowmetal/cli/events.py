"""``fmvm events``: the history of a run."""

from __future__ import annotations

import sys

import click

from flowmetal.cli.driving import INTERRUPTED, open_engine
from flowmetal.cli.options import json_option, store_option
from flowmetal.cli.output import json_of, pass_on, plain, say_json


@click.command("events", epilog="Example: fmvm events 7f3c --follow")
@store_option
@json_option
@click.option("--follow", is_flag=True, help="Go on printing events until the run has ended.")
@click.option(
    "--last", metavar="N", type=click.IntRange(min=0), help="Begin with the last N events."
)
@click.argument("run", metavar="RUN")
def command(store_url: str | None, as_json: bool, follow: bool, last: int | None, run: str) -> int:
    """Show the history of RUN, oldest first."""
    from flowmetal.embed.views import iso

    with open_engine(store_url, must_exist=True) as engine:
        found = engine.find(run)
        after = 0 if last is None else max(0, engine.last_event(found) - last)
        if as_json and not follow:
            say_json([event.as_json() for event in engine.events(found, after)])
            return 0
        try:
            for event in (engine.follow if follow else engine.events)(found, after):
                if as_json:
                    pass_on(sys.stdout, json_of(event.as_json()) + "\n")
                else:
                    effect = f"#{event.effect}" if event.effect else ""
                    words = (
                        f"{event.seq:>5}",
                        iso(event.time_us) or "",
                        f"{event.kind:<17}",
                        effect,
                    )
                    line = " ".join(filter(None, (*words, event.name, event.data_text())))
                    pass_on(sys.stdout, plain(line) + "\n")
        except KeyboardInterrupt:
            return INTERRUPTED
    return 0
