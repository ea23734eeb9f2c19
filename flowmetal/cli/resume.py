"""``fmvm resume``: drive a run here until it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from flowmetal.cli.driving import NOT_ENDED, drive, open_engine
from flowmetal.cli.options import host_options, json_option, read_results, store_option
from flowmetal.cli.output import complain
from flowmetal.errors import UsageError

if TYPE_CHECKING:
    from flowmetal.embed.engine import Engine


@click.command("resume", epilog="Example: fmvm resume 7f3c")
@store_option
@host_options
@json_option
@click.option("--perform", is_flag=True, help="Of a fork: perform what it holds.")
@click.option(
    "--result",
    "results",
    metavar="EFFECT=JSON",
    multiple=True,
    help="Of a fork: what an effect that it holds came to (repeatable).",
)
@click.argument("run", metavar="RUN")
def command(
    store_url: str | None,
    modules: tuple[str, ...],
    sync: str | None,
    limits: tuple[str, ...],
    as_json: bool,
    perform: bool,
    results: tuple[str, ...],
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
        found = engine.find(run)
        decide(engine, found, read_results(results), perform)
        decided = perform or bool(results)
        if not decided and holds_all(engine, found):  # driving would only keep others from deciding
            return NOT_ENDED
        return drive(engine, found, store_url, as_json)


def holds_all(engine: Engine, run: str) -> bool:
    """Say whether a run is a fork whose fibers wait for nothing but what it holds."""
    return engine.view(run).is_held and all(fiber.waits_for for fiber in engine.show(run).fibers)


def decide(engine: Engine, run: str, results: dict[int, Any], perform: bool) -> None:
    """Say what becomes of the effects that a fork holds. Raises UsageError FM1135 for any other."""
    waiting = engine.view(run).waiting
    held = {wait.effect: wait.kind for wait in waiting if wait.effect_class == "held"}
    for number in results:
        if number not in held:
            known = ", ".join(map(str, sorted(held))) or "none"
            raise UsageError(
                "FM1135", f"run {run} does not hold effect {number}", hint=f"it holds {known}"
            )
    for number in sorted(held):
        if number in results:
            engine.decide(run, number, results[number])
        elif perform:
            engine.decide(run, number)
    left = [(number, held[number]) for number in sorted(held) if number not in results]
    if left and not perform:
        from flowmetal.embed.forking import holding

        complain(f"run {run}: {holding(run, left)}")
