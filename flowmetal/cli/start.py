"""``fmvm start``: start a run and leave it to the store's interpreters."""

from __future__ import annotations

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import json_option, path_option, start_options, store_option
from flowmetal.cli.output import say, say_json
from flowmetal.cli.starting import start_each_line, start_from_words


@click.command(
    "start", epilog="Example: fmvm start report.fmb --id report-2026-11 --allow-fs=write:out"
)
@store_option
@path_option
@start_options
@click.option(
    "--each",
    metavar="FILE",
    help="Start a run for each line of FILE (or -), JSON that it gets like --input; "
    "with --id ID they are ID-1, ID-2, ...",
)
@json_option
@click.argument("file", metavar="FILE")
@click.argument("args", metavar="[ARG]...", nargs=-1, type=click.UNPROCESSED)
def command(
    store_url: str | None,
    as_json: bool,
    each: str | None,
    file: str,
    args: tuple[str, ...],
    **words: object,
) -> None:
    """Start a run of FILE, leave it to the interpreters of the store, and print its id.

    With --each many at once, and the id of each in a line.
    """
    with open_engine(store_url) as engine:
        if each is None:
            runs = [start_from_words(engine, file, args, words)]
        else:
            runs = start_each_line(engine, file, each, args, words)
    for run in runs:
        if as_json:
            say_json({"id": run})
        else:
            say(run)
