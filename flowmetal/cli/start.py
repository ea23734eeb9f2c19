"""``fmvm start``: start a run and leave it to the store's interpreters."""

from __future__ import annotations

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import json_option, path_option, start_options, store_option
from flowmetal.cli.output import say, say_json
from flowmetal.cli.starting import start_from_words


@click.command(
    "start", epilog="Example: fmvm start report.fmb --id report-2026-11 --allow-fs=write:out"
)
@store_option
@path_option
@start_options
@json_option
@click.argument("file", metavar="FILE")
@click.argument("args", metavar="[ARG]...", nargs=-1, type=click.UNPROCESSED)
def command(
    store_url: str | None, as_json: bool, file: str, args: tuple[str, ...], **words: object
) -> None:
    """Start a run of FILE, leave it to the interpreters of the store, and print its id."""
    with open_engine(store_url) as engine:
        run = start_from_words(engine, file, args, words)
    if as_json:
        say_json({"id": run})
    else:
        say(run)
