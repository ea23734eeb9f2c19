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

import re
from typing import Final, NamedTuple

from flowmetal.effects.errors import bad_argument
from flowmetal.effects.kinds import ATTEMPTED, EffectClass
from flowmetal.effects.requests import EffectFailed, EffectRequest
from flowmetal.ids import RunId
from flowmetal.runtime.retry import DEFAULT, ONCE, RetryPolicy, duration_us, policy_of
from flowmetal.values import Keyword, keyword, kind_of, pr_str
from flowmetal.values.kinds import UUID
from flowmetal.vm.effects import print_of

AT_MOST_ONCE: Final = keyword("at-most-once")
_TIMEOUT = keyword("timeout")
_RETRY = keyword("retry")
_NONE = keyword("none")
_KEY = keyword("idempotency-key")
_OF_A_SAGA: Final = re.compile(r"\.saga-[0-9]+")


class Options(NamedTuple):
    """What one effect asks of its performing."""

    timeout_us: int | None
    retry: RetryPolicy
    at_most_once: bool


def asks_for_retries(request: EffectRequest) -> bool:
    """Say whether a request has a policy of its own."""
    return request.args.get(_RETRY) not in (None, True, _NONE)


def is_of_a_step(request: EffectRequest) -> bool:
    """Say whether an effect is one of a body that is tried again, and keeps its key then."""
    return "." in request.key


def lasting_key(request: EffectRequest) -> str:
    """Return what an effect of a retried body is known by in every attempt: its key, but in a saga.

    There each attempt asks under new keys, for what was undone is to be done anew; and since no attempt knows
    what another has asked for in the place of an effect, what is asked for belongs to the name.
    """
    key, sagas = _OF_A_SAGA.subn("", request.key)
    return f"{key}+{print_of(request.kind, request.args)}" if sagas else key


def options_of(
    request: EffectRequest, effect_class: EffectClass, *, of_host: bool = False
) -> Options:
    """Read the options of a request, ``of_host`` for a function. Raises EffectFailed (:effect/bad-argument)."""
    args = request.args
    at_most_once = bool(args.get(AT_MOST_ONCE))
    usual = ONCE if of_host or effect_class not in ATTEMPTED else DEFAULT
    asked = args.get(_RETRY)
    once = (at_most_once or is_of_a_step(request)) and asked is not True
    _own_key(request)
    try:
        timeout = args.get(_TIMEOUT)
        return Options(
            None if timeout is None else duration_us(timeout, ":timeout"),
            policy_of(asked, ONCE if once else usual),
            at_most_once,
        )
    except ValueError as problem:
        raise EffectFailed(bad_argument(request.kind, str(problem))) from None


def idempotency_key(run: RunId, generation: int, request: EffectRequest) -> str:
    """Return the key under which every attempt of the effect is made."""
    return _own_key(request) or f"{run}/{generation}/{request.key}"


def _own_key(request: EffectRequest) -> str | None:
    """Return the key that a request names itself. Raises EffectFailed (:effect/bad-argument)."""
    own = request.args.get(_KEY)
    if own is None:
        return None
    if isinstance(own, Keyword):
        return own.text
    if type(own) is int or (type(own) is str and own) or kind_of(own) == UUID:
        return str(own)
    # Of a secret it would be the name that is sent, and of a map what Python writes.
    what = ":idempotency-key is a text, a keyword, an integer or a UUID"
    raise EffectFailed(bad_argument(request.kind, f"{what}, got {pr_str(own, 80)}"))
