"""Local effects: what the interpreter answers itself, at once.

Their results are not durable when they are delivered; advance.py commits them
before any effect of another class begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from flowmetal.effects.errors import bad_argument, refused
from flowmetal.effects.requests import EffectFailed, EffectRequest, Grants
from flowmetal.effects.secrets import secret_in
from flowmetal.runtime.clock import Clock
from flowmetal.runtime.entropy import Entropy
from flowmetal.values import Instant, Keyword, Map, RunRef, Value, hash_map, keyword, pr_str

_NAME = keyword("name")
_DEFAULT = keyword("default")
_LEVEL = keyword("level")
_MESSAGE = keyword("message")
_DATA = keyword("data")
_INFO = keyword("info")


class LogLine(NamedTuple):
    """A line of the log, shown after the commit."""

    time_us: int
    level: str
    message: str
    data: Value


@dataclass(frozen=True, slots=True)
class Locals:
    """What local effects are answered from. ``lines`` collects what was logged."""

    clock: Clock
    entropy: Entropy
    environment: Mapping[str, str]
    grants: Grants
    info: Callable[[], Map]
    lines: list[LogLine]

    def perform(self, request: EffectRequest) -> Value:
        """Return the result of a local effect. Raises EffectFailed."""
        return _PERFORM[request.kind](self, request)


def run_info(run: str, program: str, started_us: int, tags: Mapping[str, str]) -> Map:
    """Return what ``run/info`` answers."""
    return hash_map(
        (
            (keyword("id"), run),
            (keyword("run"), RunRef(run)),
            (keyword("program"), program),
            (keyword("started"), Instant(started_us)),
            (keyword("tags"), hash_map((keyword(k), v) for k, v in sorted(tags.items()))),
        )
    )


def _now(local: Locals, request: EffectRequest) -> Value:
    return Instant(local.clock.now_us())


def _uuid(local: Locals, request: EffectRequest) -> Value:
    import uuid  # 6 ms that most programs do not need

    return uuid.UUID(bytes=local.entropy.randbytes(16), version=4)


def _log(local: Locals, request: EffectRequest) -> Value:
    level = request.args.get(_LEVEL, _INFO)
    line = LogLine(
        local.clock.now_us(),
        level.name if isinstance(level, Keyword) else str(level),
        str(request.args.get(_MESSAGE) or ""),
        request.args.get(_DATA),
    )
    local.lines.append(line)


def _nothing(local: Locals, request: EffectRequest) -> Value:
    return None


def _scope(local: Locals, request: EffectRequest) -> Value:
    return request.number


def _info(local: Locals, request: EffectRequest) -> Value:
    return local.info()


def _env(local: Locals, request: EffectRequest) -> Value:
    name = request.args.get(_NAME)
    if not isinstance(name, str) or not name:
        raise EffectFailed(bad_argument(request.kind, "the name of a variable is a string"))
    secret = secret_in(name)
    if secret is not None:
        why = f"{name} holds a secret, whose text is for connectors alone: write #secret {pr_str(secret)}"
        raise EffectFailed(bad_argument(request.kind, why))
    if not local.grants.allows("env", name):
        raise EffectFailed(
            refused(
                "env", name, f"--allow-env={name}", f"reading the variable {name} is not granted"
            )
        )
    found = local.environment.get(name)
    return request.args.get(_DEFAULT) if found is None else found


_PERFORM: Final[dict[str, Callable[[Locals, EffectRequest], Value]]] = {
    "time/now": _now,
    "id/uuid": _uuid,
    "log/write": _log,
    "step/begin": _scope,
    "step/end": _nothing,
    "run/info": _info,
    "run/status": _nothing,
    "env/get": _env,
}
