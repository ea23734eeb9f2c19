"""The effect ``run/query``: a run asks another one what it says of itself (``querying.answer``).

Nothing is waited for and nothing is changed, but what is asked may not have begun yet: then, and only
then, the retry policy tries again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from flowmetal.effects.errors import effect_error
from flowmetal.effects.requests import Call, EffectFailed
from flowmetal.errors import FlowmetalError
from flowmetal.ids import RunId
from flowmetal.values import ErrorValue, Value, keyword

if TYPE_CHECKING:
    from flowmetal.runtime.host import Host

_RUN = keyword("run")
_TYPES: Final = {"FM1101": "run/unknown", "FM1133": "run/not-begun", "FM1332": "query/unknown"}


class RunConnector:
    """Asks runs of the store in a thread of its own: an answer takes up to a second or so of computing."""

    kinds = frozenset({"run/query"})

    def __init__(self, host: Callable[[], Host]) -> None:
        self._host = host

    async def perform(self, call: Call) -> Value:
        """Return the answer. Raises EffectFailed."""
        from flowmetal.connectors.blocking import Blocking
        from flowmetal.runtime.arguments import Arguments

        args = Arguments(call.kind, call.args)
        run, name, given = args.run("run"), args.name("name"), args.items("args")
        return await Blocking().call(self._ask, run, name, given)

    async def close(self) -> None:
        """Nothing is kept open."""

    def _ask(self, run: RunId, name: str, arguments: tuple[Value, ...]) -> Value:
        from flowmetal.embed.asking import Thrown
        from flowmetal.embed.querying import answer
        from flowmetal.store.rules import no_such_run

        host = self._host()
        try:
            row = host.store.run(run)
            if row is None:
                raise no_such_run(run)
            return answer(host, row, name, arguments)
        except Thrown as thrown:
            raise EffectFailed(_of_run(thrown.error, run)) from None
        except FlowmetalError as problem:
            raise _failed(problem.code, problem.message, run) from None


def _failed(code: str, message: str, run: RunId) -> EffectFailed:
    type_ = _TYPES.get(code, "query/failed")
    return EffectFailed(
        effect_error(code, type_, message, {"run": run}, retryable=type_ == "run/not-begun")
    )


def _of_run(error: ErrorValue, run: RunId) -> ErrorValue:
    """Return what a query threw, with the run that it was thrown in; as it was, it would throw again."""
    return ErrorValue(
        type=error.type,
        message=error.message,
        data=error.data.assoc(_RUN, run),
        retryable=False,
        code=error.code,
        frames=(),
    )
