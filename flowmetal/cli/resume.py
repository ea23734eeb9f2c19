"""``fmvm resume``: drive a run here until it ends."""

from __future__ import annotations

import click

from flowmetal.cli.driving import drive, open_engine
from flowmetal.cli.options import host_options, json_option, store_option


@click.command("resume", epilog="Example: fmvm resume 7f3c")
@store_option
@host_options
@json_option
@click.argument("run", metavar="RUN")
def command(
    store_url: str | None,
    modules: tuple[str, ...],
    sync: str | None,
    limits: tuple[str, ...],
    as_json: bool,
    run: str,
) -> int:
    """Drive RUN here until it ends and print its result, as `fmvm run` does.

    RUN is an id or the beginning of one. The result of a completed run is
    printed again.
    """
    with open_engine(
        store_url,
        must_exist=True,
        modules=modules,
        sync=sync,
        limits=limits,
        as_json=as_json,
    ) as engine:
        return drive(engine, engine.find(run), store_url, as_json)
