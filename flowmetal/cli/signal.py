"""``fmvm signal``: send a signal to a run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from flowmetal.cli.driving import INTERRUPTED, NOT_ENDED, open_engine
from flowmetal.cli.options import json_option, read_duration_us, read_json, store_option
from flowmetal.cli.output import complain, render, say, say_json
from flowmetal.ids import shell_word

if TYPE_CHECKING:
    from flowmetal.embed.engine import Engine
    from flowmetal.values import Value


@click.command(
    "signal",
    epilog="""Example: fmvm signal 7f3c approved '{"by": "ada"}' --id approval-17""",
    context_settings={"ignore_unknown_options": False},
)
@store_option
@json_option
@click.option("--id", "message_id", metavar="ID", help="The same id twice is the same signal.")
@click.option("--wait", is_flag=True, help="Wait for what the run replies, and print it.")
@click.option("--timeout", metavar="TIME", help="With --wait: give up (exit 4) after this long.")
@click.argument("run", metavar="RUN")
@click.argument("name", metavar="NAME")
@click.argument("value", metavar="[JSON]", required=False)
def command(
    store_url: str | None,
    as_json: bool,
    message_id: str | None,
    wait: bool,
    timeout: str | None,
    run: str,
    name: str,
    value: str | None,
) -> int:
    """Send RUN the signal NAME with a value (JSON, @FILE or - for standard input; default null)."""
    payload = None if value is None else read_json(value, "the value")
    if timeout is not None and not wait:
        raise click.UsageError("--timeout goes with --wait")
    timeout_us = None if timeout is None else read_duration_us(timeout, "--timeout")
    with open_engine(store_url, must_exist=True) as engine:
        found = engine.find(run)
        if wait:
            return _ask(engine, found, name, payload, message_id, timeout_us, as_json)
        receipt = engine.signal(found, name, payload, id=message_id)
    if as_json:
        say_json({"run": found, "name": receipt.name, "id": receipt.id, "number": receipt.number})
    else:
        say(f"signal {receipt.name} is message {receipt.number} of run {found}")
    return 0


def _ask(
    engine: Engine,
    run: str,
    name: str,
    payload: Value,
    message_id: str | None,
    timeout_us: int | None,
    as_json: bool,
) -> int:
    """Send the signal as a request and print the reply."""
    from flowmetal.embed.asking import Thrown
    from flowmetal.embed.views import to_json
    from flowmetal.values import pr_str

    try:
        reply = engine.ask(run, name, payload, id=message_id, timeout_us=timeout_us)
    except Thrown as error:
        sources = engine.sources(engine.view(run).program)
        complain(render(error.diagnostics, sys.stderr, sources))
        return error.exit_status
    except KeyboardInterrupt:
        complain(f"interrupted; the signal {name} has been sent to run {run}")
        return INTERRUPTED
    if reply is None:
        complain(
            f"run {run} has not replied in time; `fmvm why {shell_word(run)}` says what it waits for"
        )
        return NOT_ENDED
    if as_json:
        say_json(to_json(reply.value))
    else:
        say(pr_str(reply.value))
    return 0
