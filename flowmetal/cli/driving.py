"""What ``run``, ``resume`` and ``wait`` have in common: opening the engine, and the end of a run."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from flowmetal.cli.output import OutputLost, complain, pass_on, plain, render, say, say_json
from flowmetal.ids import shell_word

if TYPE_CHECKING:
    from flowmetal.embed.engine import Engine
    from flowmetal.embed.views import RunView

NOT_ENDED = 4
FAILED = 1
REFUSED = 3
INTERRUPTED = 130
UNREADABLE = 2


def open_engine(
    store_url: str | None,
    *,
    modules: Sequence[str] = (),
    sync: str | None = None,
    limits: Sequence[str] = (),
    as_json: bool = False,
    must_exist: bool = False,
    goes_on: bool = False,
) -> Engine:
    """Open the engine of a verb that drives runs; their output and logs go to this terminal.

    ``must_exist``: the verb is about runs that are there, so no store is made for it. ``goes_on``: though
    nobody takes what they print.
    """
    from flowmetal.embed import config
    from flowmetal.embed.engine import Engine

    shown = Unread if goes_on else _as_it_is
    gc.freeze()  # what is loaded stays
    gc.enable()
    return Engine(
        store_url,
        must_exist=must_exist,
        modules=modules,
        sync_every=sync == "every",
        limits=config.limits_of(limits),
        on_output=shown(_print_output_apart if as_json else _print_output),
        on_log=shown(_print_log),
        on_held=shown(_print_held),
        on_trouble=shown(_print_trouble),
    )


def drive(engine: Engine, run: str, store_url: str | None, as_json: bool) -> int:
    """Drive a run here until it ends, print what became of it and return the exit status."""
    try:
        with _sigterm_as_ctrl_c():
            view = engine.drive(run)
    except KeyboardInterrupt:
        complain(f"\ninterrupted; {_left(run, store_url)}")
        return INTERRUPTED
    except OutputLost as lost:  # what was printed is in the history; now it would be lost
        complain(f"{lost if lost.args[0] else 'nobody reads the output'}; {_left(run, store_url)}")
        return UNREADABLE if lost.args[0] else INTERRUPTED
    return show_end(engine, view, store_url, as_json)


def _left(run: str, store_url: str | None) -> str:
    return (
        f"the run is in the store. Go on with: {there(f'fmvm resume {shell_word(run)}', store_url)}"
    )


@contextlib.contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Take SIGTERM as Ctrl-C, once: what is in flight is ended, and the run is given back."""
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        from flowmetal.cli.ending import end_soon

        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        end_soon()
        if (
            signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        ):  # as in a job in a script's background
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def show_end(engine: Engine, view: RunView, store_url: str | None, as_json: bool) -> int:
    """Print the result of a run, or why there is none, and return the exit status."""
    if view.state == "completed":
        if as_json:
            say_json(view.result_json())
        else:
            say(view.result_text())
        return 0
    if view.state == "failed":
        complain(render(view.diagnostics(), sys.stderr, engine.sources_of_failure(view.id)))
        refused = view.error is not None and (view.error.code or "").startswith("FM12")
        return REFUSED if refused else FAILED
    if view.state == "cancelled":
        complain(f"run {view.id} was cancelled{f': {view.reason}' if view.reason else ''}")
        return FAILED
    complain(f"run {view.id} is {view.state}; go on with: {there(way_on(view), store_url)}")
    return NOT_ENDED


def there(command: str, store_url: str | None) -> str:
    """Return a command as it is to be typed: for the store that this one was given."""
    return f"{command} --store {shell_word(store_url)}" if store_url else command


def way_on(view: RunView) -> str:
    """Return the command with which a run that stands in a store goes on."""
    return {
        "paused": f"fmvm unpause {shell_word(view.id)}",
        "exporting": f"fmvm export {shell_word(view.id)}",
        "moved": "fmvm import FILE.fms",
        "failed": f"fmvm retry {shell_word(view.id)}",
    }.get(view.state, f"fmvm resume {shell_word(view.id)}")


def _as_it_is(show: Callable[[str, str], None]) -> Callable[[str, str], None]:
    return show


class Unread:
    """Shows what runs print and log as long as somebody takes it. An interpreter drives on without: the history has
    it all, and a log that is full is no fault of the runs."""

    def __init__(self, show: Callable[[str, str], None]) -> None:
        self._show: Callable[[str, str], None] | None = show

    def __call__(self, run: str, text: str) -> None:
        if self._show is None:
            return
        try:
            self._show(run, text)
        except OutputLost as lost:
            self._show = None
            complain(
                f"what runs say is not shown any more: {lost if lost.args[0] else 'nobody reads it'}"
            )


def _print_output(run: str, text: str) -> None:
    pass_on(sys.stdout, plain(text))


def _print_output_apart(run: str, text: str) -> None:
    pass_on(sys.stderr, plain(text))


def _print_held(run: str, holder: str) -> None:
    complain(f"run {run} is driven by {holder}; waiting for its end")


def _print_trouble(run: str, problem: str) -> None:
    complain(plain(f"run {run}: {problem[:1].lower()}{problem[1:]}"))


def _print_log(run: str, line: str) -> None:
    pass_on(sys.stderr, plain(line) + "\n")
