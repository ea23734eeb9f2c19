"""``fmvm run``: start a run and drive it here until it ends."""

from __future__ import annotations

import click

from flowmetal.cli.driving import drive, open_engine
from flowmetal.cli.options import (
    host_options,
    json_option,
    path_option,
    start_options,
    store_option,
)
from flowmetal.cli.starting import start_from_words


@click.command(
    "run", epilog="Example: fmvm run orders.flow 10 --allow-http=api.example.com --tag shop=1"
)
@store_option
@path_option
@start_options
@host_options
@json_option
@click.argument("file", metavar="FILE")
@click.argument("args", metavar="[ARG]...", nargs=-1, type=click.UNPROCESSED)
def command(
    store_url: str | None,
    modules: tuple[str, ...],
    sync: str | None,
    limits: tuple[str, ...],
    as_json: bool,
    file: str,
    args: tuple[str, ...],
    **words: object,
) -> int:
    """Start a run of FILE (.flow or .fmb) and drive it here until it ends.

    The function gets the ARGs as strings, or the one value of --input. Prints
    its result. Ctrl-C leaves the run in the store: `fmvm resume` goes on.
    """
    with open_engine(
        store_url, modules=modules, sync=sync, limits=limits, as_json=as_json
    ) as engine:
        run = start_from_words(engine, file, args, words, here=True)
        return drive(engine, run, store_url, as_json)
