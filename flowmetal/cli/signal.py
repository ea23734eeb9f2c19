"""``fmvm signal``: send a signal to a run."""

from __future__ import annotations

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import json_option, read_json, store_option
from flowmetal.cli.output import say, say_json


@click.command(
    "signal",
    epilog="""Example: fmvm signal 7f3c approved '{"by": "ada"}' --id approval-17""",
    context_settings={"ignore_unknown_options": False},
)
@store_option
@json_option
@click.option("--id", "message_id", metavar="ID", help="The same id twice is the same signal.")
@click.argument("run", metavar="RUN")
@click.argument("name", metavar="NAME")
@click.argument("value", metavar="[JSON]", required=False)
def command(
    store_url: str | None,
    as_json: bool,
    message_id: str | None,
    run: str,
    name: str,
    value: str | None,
) -> None:
    """Send RUN the signal NAME with a value (JSON, @FILE or - for standard input; default null)."""
    payload = None if value is None else read_json(value, "JSON")
    with open_engine(store_url, must_exist=True) as engine:
        found = engine.find(run)
        receipt = engine.signal(found, name, payload, id=message_id)
    if as_json:
        say_json({"run": found, "name": name, "id": receipt.id, "number": receipt.number})
    else:
        say(f"signal {name} is message {receipt.number} of run {found}")
