"""When a failed effect is tried again: policies as data, and the delays they give.

A policy is a map of the language; ``flow.retry`` builds it:

```
{:max-attempts 5                    ; attempts in all; nil: no end
 :backoff #dur "1s"                 ; always the same, or
          {:kind :exponential :base #dur "1s" :factor 2 :max #dur "5m"}
          {:kind :linear :base #dur "1s" :step #dur "1s" :max ...}
          {:kind :fibonacci :base #dur "1s" :max ...}
          {:kind :constant :base #dur "1s"}
 :jitter :full                      ; or :none
 :max-elapsed #dur "1h"}            ; no attempt begins later than this after the first
```

A number stands for ``{:max-attempts n}``; ``:none`` and false for one attempt.
What decides whether an error is worth another attempt is the error itself: its
``:retryable?`` is true, or it does not say (nil) and the program has named a policy.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from flowmetal.values import Duration, Keyword, Map, Value, is_number, keyword, show
from flowmetal.values.numbers import to_float
from flowmetal.values.scalars import LONGEST_US

SECOND_US: Final = 1_000_000
_FULL = keyword("full")
_NONE = keyword("none")
_SHAPES = ("exponential", "linear", "fibonacci", "constant")
_LONGEST_WISH_US: Final = 24 * 3600 * SECOND_US
"""A Retry-After beyond a day is taken for a day: it is a wish, not a sentence."""


_LARGEST_FACTOR: Final = 1e9
"""Beyond it the second wait is the longest one anyway, and an infinite one has no place in a store."""


class RetryPolicy(NamedTuple):
    """How often, and how long between. ``max_attempts`` None: no end."""

    max_attempts: int | None = 10
    shape: str = "exponential"
    initial_us: int = SECOND_US
    factor: float = 2.0
    step_us: int = SECOND_US
    cap_us: int = 300 * SECOND_US
    full_jitter: bool = True
    max_elapsed_us: int | None = None

    def delay_us(self, attempt: int, fraction: float) -> int:
        """Return how long to wait after ``attempt`` (from 1); ``fraction`` is random, in [0, 1)."""
        whole = min(self._whole_us(attempt), self.cap_us)
        return int(whole * fraction) if self.full_jitter else whole

    def next_due_us(
        self, attempt: int, first_us: int, now_us: int, fraction: float, wish_us: int | None
    ) -> int | None:
        """Return when to try again after a failed ``attempt``, None if never."""
        if self.max_attempts is not None and attempt >= self.max_attempts:
            return None
        delay = self.delay_us(attempt, fraction)
        if wish_us is not None:
            delay = max(delay, min(wish_us, _LONGEST_WISH_US))
        due = now_us + delay
        if self.max_elapsed_us is not None and due > first_us + self.max_elapsed_us:
            return None
        return due

    def _whole_us(self, attempt: int) -> int:
        steps = min(attempt - 1, 1000)
        match self.shape:
            case "constant":
                return self.initial_us
            case "linear":
                return self.initial_us + steps * self.step_us
            case "fibonacci":
                one, two = 1, 1
                for _ in range(min(steps, 90)):
                    one, two = two, one + two
                return one * self.initial_us
            case _:
                # A cap reached early keeps factor**1000 from overflowing a float.
                whole = float(self.initial_us)
                for _ in range(steps):
                    if whole >= self.cap_us or self.factor <= 1:
                        break
                    whole = min(whole * self.factor, float(self.cap_us))
                return int(whole)


DEFAULT: Final = RetryPolicy()
ONCE: Final = RetryPolicy(max_attempts=1)


def policy_of(value: Value, default: RetryPolicy) -> RetryPolicy:
    """Read the ``:retry`` of an effect. Raises ValueError with a sentence for the user."""
    if value is None or value is True:
        return default
    if value is False or value is _NONE:
        return ONCE
    if type(value) is int:
        return RetryPolicy(max_attempts=_attempts(value))
    if not isinstance(value, Map):
        raise ValueError(":retry takes a policy, a number of attempts, or :none")
    shape, initial, step, factor, cap = _backoff(value.get(keyword("backoff")))
    attempts = value.get(keyword("max-attempts"), DEFAULT.max_attempts)
    elapsed = value.get(keyword("max-elapsed"))
    return RetryPolicy(
        max_attempts=None if attempts is None else _attempts(attempts),
        shape=shape,
        initial_us=initial,
        factor=factor,
        step_us=step,
        cap_us=cap,
        full_jitter=value.get(keyword("jitter"), _FULL) is not _NONE,
        max_elapsed_us=None if elapsed is None else duration_us(elapsed, ":max-elapsed"),
    )


def duration_us(value: Value, name: str) -> int:
    """Return microseconds of a duration. Raises ValueError with a sentence for the user."""
    if isinstance(value, Duration):
        return max(0, min(value.us, LONGEST_US))
    if type(value) in (int, float):
        raise ValueError(f"{name}: seconds or milliseconds? write (seconds {show(value)})")
    raise ValueError(f"{name} takes a duration, such as (seconds 5)")


def _attempts(value: Value) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(":max-attempts takes a whole number from 1")
    return value


def _backoff(value: Value) -> tuple[str, int, int, float, int]:
    if value is None:
        return "exponential", DEFAULT.initial_us, DEFAULT.step_us, DEFAULT.factor, DEFAULT.cap_us
    if isinstance(value, Duration):
        us = duration_us(value, ":backoff")
        return "constant", us, 0, 1.0, us
    if not isinstance(value, Map):
        raise ValueError(":backoff takes a duration or what (exponential ...) gives")
    kind = value.get(keyword("kind"), keyword("exponential"))
    shape = kind.name if isinstance(kind, Keyword) else str(kind)
    if shape not in _SHAPES:
        raise ValueError(f":backoff has the kinds {', '.join(_SHAPES)}, not {shape}")
    initial = duration_us(value.get(keyword("base"), Duration(SECOND_US)), ":base")
    step = duration_us(value.get(keyword("step"), Duration(initial)), ":step")
    factor = value.get(keyword("factor"), 2)
    if not is_number(factor) or not to_float(factor) >= 1:
        raise ValueError(":factor takes a number from 1")
    longest = Duration(max(initial, DEFAULT.cap_us))
    cap = duration_us(value.get(keyword("max"), longest), ":max")
    return shape, initial, step, min(to_float(factor), _LARGEST_FACTOR), cap
