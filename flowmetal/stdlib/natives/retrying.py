"""Retry policies: checked, filled in, and how long to wait. The arithmetic of flow.retry."""

from __future__ import annotations

from flowmetal.stdlib.natives.arguments import library_error, need_duration, need_instant, wrong
from flowmetal.stdlib.natives.numbers import to_float
from flowmetal.stdlib.natives.predicates import is_callable
from flowmetal.stdlib.natives.table import Table
from flowmetal.values import (
    EMPTY_MAP,
    Duration,
    Keyword,
    Map,
    Value,
    describe,
    fail,
    hash_map,
    is_number,
    keyword,
    show,
)

native = Table("flow.core")

_LONGEST_US = 10 * 365 * 86_400_000_000
"""No wait is longer than ten years, whatever the factor."""

_LONGEST_WISH_US = 86_400_000_000
"""A wish beyond a day is taken for a day, as where an effect is tried again without the machine."""

_USUAL_MAX_US = 300_000_000
"""Five minutes: what a backoff that says nothing else grows to."""

_BASE, _STEP, _FACTOR, _MAX = map(keyword, ("base", "step", "factor", "max"))
_KIND, _FULL, _NONE = map(keyword, ("kind", "full", "none"))
_MAX_ATTEMPTS, _BACKOFF, _JITTER = map(keyword, ("max-attempts", "backoff", "jitter"))
_MAX_ELAPSED, _RETRY_IF, _ON_RETRY = map(keyword, ("max-elapsed", "retry-if", "on-retry"))

_KINDS = {keyword(name) for name in ("constant", "linear", "exponential", "fibonacci")}

_DEFAULT_BACKOFF = hash_map(
    [
        (_KIND, keyword("exponential")),
        (_BASE, Duration(1_000_000)),
        (_FACTOR, 2),
        (_MAX, Duration(_USUAL_MAX_US)),
    ]
)
_DEFAULTS = ((_MAX_ATTEMPTS, 10), (_BACKOFF, _DEFAULT_BACKOFF), (_JITTER, _FULL))
_SHORT_FORMS: dict[Value, Map] = {
    True: EMPTY_MAP,
    False: EMPTY_MAP.assoc(_MAX_ATTEMPTS, 1),
    _NONE: EMPTY_MAP.assoc(_MAX_ATTEMPTS, 1),
}
_OF_BACKOFF = {_KIND, _BASE, _STEP, _FACTOR, _MAX}
_KNOWN = {_MAX_ATTEMPTS, _BACKOFF, _JITTER, _MAX_ELAPSED, _RETRY_IF, _ON_RETRY}


@native("-retry-policy")
def retry_policy(policy: Value) -> Map:
    """Return the policy with every default filled in; raise for one that makes no sense.

    A number stands for so many attempts, ``:none`` and false for one, true for the default.
    """
    policy = _SHORT_FORMS.get(policy, policy) if type(policy) in (Keyword, bool) else policy
    if type(policy) is int:
        policy = EMPTY_MAP.assoc(_MAX_ATTEMPTS, policy)
    if type(policy) is not Map:
        raise wrong("retry", "a policy: write (flow.retry/policy {:max-attempts 5})", 1, policy)
    for name, _ in policy.items():
        if name not in _KNOWN:
            _refuse(f"a retry policy has no {show(name)}")
    full: Map = policy
    for name, value in _DEFAULTS:
        if name not in full:
            full = full.assoc(name, value)
    _check(full)
    return full


def _check(policy: Map) -> None:
    most = policy.get(_MAX_ATTEMPTS)
    if most is not None and (type(most) is not int or most < 1):
        _refuse(f":max-attempts is a number from 1 on or nil, got {show(most)}")
    if policy.get(_JITTER) not in (_FULL, _NONE):
        _refuse(f":jitter is :full or :none, got {show(policy.get(_JITTER))}")
    for name in (_RETRY_IF, _ON_RETRY):
        if policy.get(name) is not None and not is_callable(policy.get(name)):
            _refuse(f"{show(name)} is a function, got {show(policy.get(name))}")
    if policy.get(_MAX_ELAPSED) is not None:
        need_duration("retry", 1, policy.get(_MAX_ELAPSED))
    backoff = policy.get(_BACKOFF)
    if type(backoff) is Duration:
        return
    if type(backoff) is not Map or backoff.get(_KIND) not in _KINDS:
        _refuse(
            f":backoff is made by constant, linear, exponential or fibonacci, got {show(backoff)}"
        )
    for name, _ in backoff.items():
        if name not in _OF_BACKOFF:
            _refuse(f"a backoff has no {show(name)}")
    need_duration("backoff", 1, backoff.get(_BASE))
    for name in (_STEP, _MAX):
        if backoff.get(name) is not None:
            need_duration("backoff", 1, backoff.get(name))
    factor = backoff.get(_FACTOR, 2)
    if not is_number(factor) or not to_float(factor) >= 1:
        _refuse(f":factor is a number from 1 on, got {show(factor)}")


def _refuse(message: str) -> None:
    fail("FM0512", "option/unknown", message)


@native("-retry-delay")
def retry_delay(policy: Value, n: Value, random: Value) -> Duration:
    """Return the wait after failed attempt ``n`` (from 1); ``random`` is in [0, 1)."""
    backoff = policy.get(_BACKOFF)
    us = backoff.us if type(backoff) is Duration else _plain_wait(backoff, n)
    us = max(0, min(us, _LONGEST_US))
    return Duration(int(us * random) if policy.get(_JITTER) is _FULL else us)


def _plain_wait(backoff: Map, n: int) -> int:
    base: int = backoff.get(_BASE).us
    kind: Keyword = backoff.get(_KIND)
    match kind.name:
        case "constant":
            us = base
        case "linear":
            step = backoff.get(_STEP)
            us = base + (base if step is None else step.us) * (n - 1)
        case "exponential":
            factor = to_float(backoff.get(_FACTOR, 2))
            try:
                us = int(base * factor ** (n - 1))
            except OverflowError:
                us = _LONGEST_US
        case _:
            us = base * _fibonacci(min(n, 100))
    most = backoff.get(_MAX)
    return min(us, max(base, _USUAL_MAX_US) if most is None else most.us)


def _fibonacci(n: int) -> int:
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


@native("-at-least")
def at_least(wait: Value, wish: Value) -> Value:
    """Return the longer of a wait and of what an error wishes for, if that is a duration."""
    if type(wish) is not Duration:
        return wait
    return Duration(max(wait.us, min(wish.us, _LONGEST_WISH_US)))


@native("-elapsed?")
def is_elapsed(policy: Value, started: Value, now: Value, wait: Value) -> bool:
    """Say whether ``wait`` from ``now`` on ends later than the policy allows."""
    return bool(now.us + wait.us - started.us > policy.get(_MAX_ELAPSED).us)


@native("-elapsed-text")
def elapsed_text(start: Value, end: Value) -> str:
    """Return the line that ``time`` prints."""
    return f"Elapsed time: {(end.us - start.us) / 1000} msecs"


@native("-check-duration")
def check_duration(function: Value, option: Value, value: Value) -> Value:
    """Return ``value``, which must be a duration; ``option`` names where it stands, nil: argument 1."""
    if option is None or type(value) is Duration:
        return need_duration(function, 1, value)
    hint = ": write (seconds 5)" if type(value) in (int, float) else ""
    raise library_error(
        "FM0501",
        "type/mismatch",
        f"`{function}` needs a duration as {option}, got {describe(value)}{hint}",
    )


@native("-check-instant")
def check_instant(function: Value, value: Value) -> Value:
    """Return ``value``, which must be an instant."""
    return need_instant(function, 1, value)
