"""``fmvm cancel``: ask a run to stop."""

from __future__ import annotations

import click

from flowmetal.cli.driving import open_engine, show_end
from flowmetal.cli.options import host_options, json_option, store_option
from flowmetal.cli.output import complain, say, say_json
from flowmetal.ids import shell_word

_ENDED = ("cancelled", "completed", "failed")


@click.command("cancel", epilog='Example: fmvm cancel 7f3c --reason "ordered twice"')
@store_option
@host_options
@json_option
@click.option("--reason", default="", help="Why; the run sees it.")
@click.option("--now", is_flag=True, help="Stop it at once; `finally` blocks do not run.")
@click.option("--leave", is_flag=True, help="Leave the run to the interpreters of the store.")
@click.argument("run", metavar="RUN")
def command(
    store_url: str | None,
    modules: tuple[str, ...],
    sync: str | None,
    limits: tuple[str, ...],
    as_json: bool,
    reason: str,
    now: bool,
    leave: bool,
    run: str,
) -> int:
    """Cancel RUN. Its `finally` blocks run, unless --now: here, if nobody drives it.

    Exit status 1 if it fails meanwhile. A program may also catch the cancellation and complete.

    If its program calls functions that only --python MODULE brings here, it is left to the
    interpreters of the store.
    """
    with open_engine(
        store_url, modules=modules, sync=sync, limits=limits, as_json=True, must_exist=True
    ) as engine:
        found = engine.find(run)
        before = engine.view(found).is_stopping
        state = engine.cancel(found, reason, now=now, drive=not leave)
        unserved = () if now or leave or state in _ENDED else engine.unserved(found)
        if as_json:
            say_json({"id": found, "state": state})
        elif state != "failed":
            say(f"run {found} {_outcome(found, state, before)}")
        if state == "failed":
            return show_end(engine, engine.view(found), store_url, as_json)
    if unserved:
        complain(f"it calls {', '.join(unserved)}, which nobody here performs: see --python")
    return 0


def _outcome(run: str, state: str, before: bool) -> str:
    """Say how a run stands that was asked to stop, ``before`` this too."""
    if state == "cancelled":
        return "is cancelled"
    if state == "completed":
        return "has completed: its program caught the cancellation, or was done"
    if before:
        return (
            "has been asked to stop before, and is told so once: "
            f"`fmvm cancel --now {shell_word(run)}` ends it whatever it does"
        )
    return "is asked to stop: its `finally` blocks run as soon as somebody drives it"
