"""``fmvm callback``: answer a callback of a run."""

from __future__ import annotations

import click

from flowmetal.cli.driving import open_engine
from flowmetal.cli.options import json_option, read_json, store_option
from flowmetal.cli.output import say, say_json
from flowmetal.embed.views import iso
from flowmetal.errors import UsageError


@click.command(
    "callback",
    epilog="""Example: fmvm callback 7f3c.4 '{"state": "paid"}' --id delivery-17""",
)
@store_option
@json_option
@click.option("--fail", "failure", metavar="JSON", help='Let it fail: {"type", "message", "data"}.')
@click.option("--heartbeat", is_flag=True, help="Only say that somebody still works on it.")
@click.option("--id", "delivery", metavar="ID", default="", help="The id of this delivery.")
@click.argument("callback", metavar="ID")
@click.argument("value", metavar="[JSON]", required=False)
def command(
    store_url: str | None,
    as_json: bool,
    failure: str | None,
    heartbeat: bool,
    delivery: str,
    callback: str,
    value: str | None,
) -> None:
    """Complete the callback ID with a value (JSON, @FILE or - for standard input; default null).

    The first answer counts; every later one gets its receipt.
    """
    if sum((failure is not None, heartbeat, value is not None)) > 1:
        raise UsageError(
            "FM1307", "a value, --fail and --heartbeat exclude each other", hint="give one of them"
        )
    with open_engine(store_url, must_exist=True) as engine:
        if heartbeat:
            stands = engine.beat_callback(callback)
            expires = iso(stands.expires_us)
            if as_json:
                say_json({"id": stands.id, "state": stands.state, "expires": expires})
            elif stands.state != "open":
                say(f"callback {callback} of run {stands.run} was {stands.state} already")
            else:
                say(
                    f"callback {callback} is alive{'' if expires is None else f'; it expires at {expires}'}"
                )
            return
        text = value if failure is None else failure
        payload = (
            None if text is None else read_json(text, "the value" if failure is None else "--fail")
        )
        receipt = engine.complete_callback(
            callback, payload, failed=failure is not None, delivery=delivery
        )
    if as_json:
        say_json(
            {
                "id": receipt.id,
                "run": receipt.run,
                "delivery": receipt.delivery,
                "state": receipt.state,
                "time": iso(receipt.time_us),
                "first": receipt.first,
            }
        )
    elif receipt.first:
        say(f"callback {callback} of run {receipt.run} is {receipt.state}")
    else:
        when = iso(receipt.time_us)
        say(f"callback {callback} of run {receipt.run} was {receipt.state} at {when} already")
