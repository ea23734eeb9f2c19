"""``load-file`` of a REPL, as an effect.

An effect's result is data, but the value of a file's last form may be anything. So the
program hands a value to the REPL for a number, and fetches the result by its number. The
evaluation runs in a thread of its own, with its own machine, while the one that asks waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from flowmetal.effects.requests import Call, EffectFailed
from flowmetal.embed.files import read_source
from flowmetal.embed.unkept import Interrupted
from flowmetal.errors import CompileError, FlowmetalError, Incomplete, ReadError
from flowmetal.values import ErrorValue, FlowError, Value, hash_map, keyword, show
from flowmetal.values.errors import flow_error
from flowmetal.vm.state import Native

if TYPE_CHECKING:
    from flowmetal.embed.interactive import Interactive

KIND: Final = "flow.repl/-load!"
_ARGS = keyword("args")


class LoadConnector:
    """Performs ``flow.repl/-load!``."""

    def __init__(self, interactive: Interactive) -> None:
        self._interactive = interactive
        self.kinds = frozenset({KIND})

    def natives(self) -> tuple[Native, ...]:
        """Return what hands values over."""
        return (
            Native("flow.repl/-hold!", self._interactive.hold, 1, 1),
            Native("flow.repl/-held", self._interactive.held, 1, 1),
        )

    async def perform(self, call: Call) -> Value:
        """Evaluate the file whose path is kept under a number, and keep the value."""
        (number,) = call.args.get(_ARGS)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Value] = loop.create_future()

        def evaluate() -> None:
            try:
                value, error = self._perform(number), None
            except Exception as failed:  # the edge of a thread: it is raised in the loop
                value, error = None, failed
            with contextlib.suppress(RuntimeError):  # nobody waits any more, the loop is closed
                loop.call_soon_threadsafe(_settle, answer, value, error)

        # Not the loop's pool, which would wait for what was left behind.
        threading.Thread(target=evaluate, daemon=True).start()
        return await answer

    async def close(self) -> None:
        pass

    def _perform(self, number: int) -> Value:
        interactive = self._interactive
        given = interactive.held(number)
        try:
            return interactive.hold(self._evaluate(given))
        except FlowError as error:
            raise EffectFailed(_final(error.error)) from None
        except FlowmetalError as error:
            raise EffectFailed(_final(self._kept(error))) from None
        except Interrupted:
            raise EffectFailed(
                _final(flow_error("FM0702", "flow/cancelled", "interrupted").error)
            ) from None

    def _evaluate(self, given: Value) -> Value:
        interactive = self._interactive
        if not isinstance(given, str):
            raise flow_error("FM0310", "type/mismatch", f"a string is needed, got {show(given)}")
        before = interactive.namespace
        try:
            return _last(interactive.values_of(read_source(given)))
        finally:
            interactive.enter(before)

    def _kept(self, error: FlowmetalError) -> ErrorValue:
        """Return an error as a value that leads back to its diagnostics."""
        made = error_value(error)
        number = self._interactive.hold_problem(error.diagnostics)
        data = hash_map(((keyword("problem"), number),))
        return ErrorValue(made.type, made.message, data, code=made.code)


def _settle(answer: asyncio.Future[Value], value: Value, error: Exception | None) -> None:
    if answer.cancelled():
        return
    if error is None:
        answer.set_result(value)
    else:
        answer.set_exception(error)


def _last(values: Iterator[Value]) -> Value:
    last = None
    for value in values:
        last = value
    return last


def error_value(error: FlowmetalError) -> ErrorValue:
    """Return an error of the reader, the compiler or a file as a value of the language."""
    kind = {ReadError: "reader/error", Incomplete: "reader/error", CompileError: "compile/error"}
    return ErrorValue(keyword(kind.get(type(error), "file/error")), error.message, code=error.code)


def _final(error: ErrorValue) -> ErrorValue:
    """Return the error so that nobody tries the evaluation again."""
    return ErrorValue(
        error.type, error.message, error.data, error.cause, error.frames, False, error.code
    )
