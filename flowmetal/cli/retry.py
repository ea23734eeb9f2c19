"""``fmvm retry``: a failed run goes on."""

from __future__ import annotations

from typing import Any

import click

from flowmetal.cli.driving import drive, open_engine
from flowmetal.cli.options import (
    grant_options,
    grants_in,
    host_options,
    json_option,
    read_json,
    store_option,
)
from flowmetal.cli.output import complain


@click.command("retry", epilog="Example: fmvm retry 7f3c --value '{\"paid\": true}'")
@store_option
@host_options
@grant_options
@json_option
@click.option("--value", metavar="JSON", help="Go on with this in place of what failed.")
@click.option("--skip", is_flag=True, help="The same with nil.")
@click.option("--restart", metavar="NAME", help="Go on in a way that the program offers.")
@click.option(
    "--arg", "arguments", multiple=True, metavar="JSON", help="With --restart: an argument of it."
)
@click.option("--throw", metavar="JSON", help="Raise another error there: {type, message, data}.")
@click.option("--leave", is_flag=True, help="Leave the run to the interpreters of the store.")
@click.argument("run", metavar="RUN")
def command(
    store_url: str | None,
    modules: tuple[str, ...],
    sync: str | None,
    limits: tuple[str, ...],
    as_json: bool,
    value: str | None,
    skip: bool,
    restart: str | None,
    arguments: tuple[str, ...],
    throw: str | None,
    leave: bool,
    run: str,
    **allowed: Any,
) -> int:
    """Let the failed RUN go on from where it stands, and drive it here until it ends.

    Without an option the effect that failed is performed again, under the same key. Another
    error needs --value, --restart or --throw; `fmvm show` says where the run stands and what it
    offers. What --allow options grant the run may do from now on, beside what it might.
    """
    chosen = [name for name, given in (
        ("--value", value is not None), ("--skip", skip),
        ("--restart", restart is not None), ("--throw", throw is not None),
    ) if given]  # fmt: skip
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)} exclude each other")
    if arguments and restart is None:
        raise click.UsageError("--arg goes with --restart")
    grants = grants_in(allowed) if any(allowed.values()) else None
    with open_engine(
        store_url, modules=modules, sync=sync, limits=limits, as_json=as_json, must_exist=True
    ) as engine:
        found = engine.find(run)
        here = not leave
        if value is not None:
            engine.supply(found, read_json(value, "--value"), here=here, grants=grants)
        elif skip:
            engine.supply(found, None, here=here, grants=grants)
        elif restart is not None:
            given = [read_json(text, "--arg") for text in arguments]
            engine.restart(found, restart, *given, here=here, grants=grants)
        elif throw is not None:
            type_name, message, data = _error(read_json(throw, "--throw"))
            engine.throw(found, type_name, message, data, here=here, grants=grants)
        else:
            engine.retry(found, here=here, grants=grants)
        if leave:
            complain(f"run {found} is ready to go on")
            return 0
        return drive(engine, found, store_url, as_json)


def _error(value: Any) -> tuple[str, str, Any]:
    """Return type, message and data of what --throw says. A slip there would be raised in the run."""
    from flowmetal.values import Map, keyword
    from flowmetal.values.names import reads_as_keyword

    names = ("type", "message", "data")
    type_, message, data = (
        value.get(keyword(name)) if isinstance(value, Map) else None for name in names
    )
    known = isinstance(value, Map) and all(key in map(keyword, names) for key, _ in value.items())
    word = type_.removeprefix(":") if isinstance(type_, str) else ""
    if (
        not known
        or not reads_as_keyword(word)
        or not (message is None or isinstance(message, str))
        or not (data is None or isinstance(data, Map))
    ):
        raise click.UsageError(
            '--throw takes an object: {"type": "stock/empty", "message": "...", "data": {...}}'
        )
    return word, message or word, data
