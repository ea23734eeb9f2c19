"""The world as a test sees it: a virtual clock, logs and identities that repeat, and nothing else.

What an effect comes to depends on its number and the clock alone, so that a
machine that was killed and asks again gets the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Final

from flowmetal.effects.kinds import KINDS, EffectClass
from flowmetal.effects.requests import EffectFailed, EffectRequest
from flowmetal.runtime.entering import RECEIVES, SLEEP, timeout_error
from flowmetal.runtime.grants import RunGrants
from flowmetal.runtime.local import Locals, LogLine, run_info
from flowmetal.runtime.retry import duration_us
from flowmetal.testing.clock import START_US
from flowmetal.values import (
    ErrorValue,
    FlowError,
    Instant,
    Keyword,
    Value,
    keyword,
    show,
)
from flowmetal.values.errors import flow_error

_FOR, _UNTIL, _TIMEOUT, _ELSE = (keyword(name) for name in ("for", "until", "timeout", "else"))
_METHOD = keyword("method")
_MISSING: Final = object()

# fmt: off
_ASKING: Final = {
    "sh/run":         "sh/sh!",
    "sh/shell":       "sh/shell!",
    "fs/read":        "fs/slurp!",
    "fs/write":       "fs/spit!",
    "fs/list":        "fs/ls!",
    "fs/exists":      "fs/exists?!",
    "config/read":    "config/config",
    "env/get":        "env/env!",
    "run/query":      "event/query",
    "run/start":      "start!",
    "callback/open":  "event/callback!",
    "callback/await": "event/await-callback!",
}
"""The functions that ask for kinds, where their names are others."""

_RESULTS: Final = {"http": "{:status 200}", "sh": '{:exit 0 :out ""}', "fs": '"text"'}
# fmt: on


@dataclass(slots=True)
class SealedWorld:
    """Answers what needs no world. ``now_us`` moves when somebody waits."""

    now: int = START_US
    seed: int = 0
    lines: list[LogLine] = field(default_factory=list)

    def now_us(self) -> int:
        return self.now

    def monotonic_us(self) -> int:
        return self.now

    def copy(self) -> SealedWorld:
        """Return a world that goes on from here on its own."""
        return SealedWorld(self.now, self.seed)

    def due_us(self, request: EffectRequest) -> int | None:
        """Return when a request is over by itself, None if it never is."""
        args = request.args
        try:
            if request.kind == SLEEP:
                until = args.get(_UNTIL)
                if isinstance(until, Instant):
                    return max(until.us, self.now)
                return self.now + max(duration_us(args.get(_FOR), ":for"), 0)
            timeout = args.get(_TIMEOUT)
            return None if timeout is None else self.now + duration_us(timeout, ":timeout")
        except ValueError:
            return self.now

    def needs_world(self, request: EffectRequest) -> bool:
        """Say whether nothing here can answer a request."""
        kind = KINDS.get(request.kind)
        return kind is None or kind.effect_class is not EffectClass.LOCAL or bool(kind.capability)

    def answer(self, request: EffectRequest) -> Value:
        """Return what a local effect comes to. Raises EffectFailed for one that needs a stub."""
        if self.needs_world(request):
            raise EffectFailed(_unstubbed(request))
        info = run_info("test", "test", START_US, {})
        entropy = Random(f"{self.seed}/{request.number}")
        # The clock of the runtime can also wait; what is local never does.
        local = Locals(self, entropy, {}, RunGrants(), lambda: info, self.lines)  # type: ignore[arg-type]
        return local.perform(request)


def is_wait(request: EffectRequest) -> bool:
    """Say whether a request is for time to pass or for somebody to say something."""
    return request.kind == SLEEP or request.kind in RECEIVES


def when_over(request: EffectRequest) -> Value:
    """Return what a wait comes to when its time is up. Raises EffectFailed."""
    if request.kind == SLEEP:
        return None
    otherwise = request.args.get(_ELSE, _MISSING)
    if otherwise is not _MISSING:
        return otherwise
    timeout = request.args.get(_TIMEOUT)
    us = None if timeout is None else duration_us(timeout, ":timeout")
    raise EffectFailed(timeout_error(request.kind, EffectClass.WAITING, us))


def never_answered(request: EffectRequest) -> ErrorValue:
    """Return the error for a wait that nothing will end."""
    message = f"{request.kind} waits for what nobody sends in this test"
    return _error(flow_error("FM0653", "effect/never-answered", message))


def log_text(line: LogLine) -> str:
    """Return a line of the log as the output of a test shows it."""
    data = "" if line.data is None else f" {show(line.data)}"
    return f"{line.level} {line.message}{data}\n"


def _unstubbed(request: EffectRequest) -> ErrorValue:
    namespace = request.kind.partition("/")[0]
    asking = _ASKING.get(request.kind, f"{request.kind}!" if namespace == "fs" else "name!")
    method = request.args.get(_METHOD)
    if request.kind == "http/request" and isinstance(method, Keyword):
        asking = f"http/{method.text}!"
    result = _RESULTS.get(namespace, '"value"')
    example = f"(with-stubs {{{asking} {result}}} ...)"
    message = f"a test asked for {request.kind}: replace the function that asks, {example}"
    return _error(flow_error("FM0650", "effect/unstubbed", message))


def _error(raised: FlowError) -> ErrorValue:
    error = raised.error
    assert isinstance(error, ErrorValue)
    assert isinstance(error.type, Keyword)
    return error
