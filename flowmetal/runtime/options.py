"""The options that every effect takes, read from its arguments.

``:timeout`` bounds one attempt of what a connector performs, and the whole of
a wait. ``:retry`` is a policy (retry.py). ``:idempotency-key`` replaces the
key that would be made. ``:at-most-once`` says that in doubt the effect must not be
performed again.

Default of ``:retry``: the default policy for effects of connectors, but one
attempt inside a retried step (its key has a scope), for at-most-once effects,
and for everything that is not a connector's: functions of the host, too.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from flowmetal.effects.errors import bad_argument
from flowmetal.effects.kinds import EffectClass
from flowmetal.effects.requests import EffectFailed, EffectRequest
from flowmetal.ids import RunId
from flowmetal.runtime.retry import DEFAULT, ONCE, RetryPolicy, duration_us, policy_of
from flowmetal.values import Keyword, keyword

AT_MOST_ONCE: Final = keyword("at-most-once")
_TIMEOUT = keyword("timeout")
_RETRY = keyword("retry")
_NONE = keyword("none")
_KEY = keyword("idempotency-key")


class Options(NamedTuple):
    """What one effect asks of its performing."""

    timeout_us: int | None
    retry: RetryPolicy
    at_most_once: bool


def asks_for_retries(request: EffectRequest) -> bool:
    """Say whether a request has a policy of its own."""
    return request.args.get(_RETRY, _NONE) not in (None, _NONE)


def options_of(
    request: EffectRequest, effect_class: EffectClass, *, of_host: bool = False
) -> Options:
    """Read the options of a request, ``of_host`` for a function. Raises EffectFailed (:effect/bad-argument)."""
    args = request.args
    at_most_once = bool(args.get(AT_MOST_ONCE))
    retried_step = "." in request.key
    once = at_most_once or retried_step or of_host or effect_class is not EffectClass.CONNECTOR
    try:
        timeout = args.get(_TIMEOUT)
        return Options(
            None if timeout is None else duration_us(timeout, ":timeout"),
            policy_of(args.get(_RETRY), ONCE if once else DEFAULT),
            at_most_once,
        )
    except ValueError as problem:
        raise EffectFailed(bad_argument(request.kind, str(problem))) from None


def idempotency_key(run: RunId, generation: int, request: EffectRequest) -> str:
    """Return the key under which every attempt of the effect is made."""
    own = request.args.get(_KEY)
    if own is None:
        return f"{run}/{generation}/{request.key}"
    return own.text if isinstance(own, Keyword) else str(own)
