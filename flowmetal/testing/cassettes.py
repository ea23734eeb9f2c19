"""Cassettes: what the world answered once, so that a test can hear it again.

A cassette is a text file of EDN beside the test: ``{:flowmetal/cassette 1 :calls [...]}``,
each call ``{:kind :args}`` with ``:value`` or ``:error``, in the order in which they were made.
It is played unless somebody asks to record it, and each of its calls answers once: the
first that has not answered yet and asks for the same.

An effect that a machine asks for again under the same number, after a crash or in a
copy of the machine, hears the same answer. While it is recorded, the world is asked once.

No secret gets into the file. Connectors give the names of secrets for their texts already;
here, texts under keys, and in variables, whose names say so are hidden, and wherever they
stand in later calls. A program that plays the cassette hears the hidden texts and says them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from flowmetal.connectors.secrets import SHORTEST_HIDDEN, spellings, without
from flowmetal.effects.requests import EffectFailed, EffectRequest
from flowmetal.errors import FlowmetalError, UsageError
from flowmetal.values import (
    EMPTY_MAP,
    ErrorValue,
    Keyword,
    List,
    Map,
    Set,
    TaggedLiteral,
    Value,
    Vector,
    hash_map,
    keyword,
    pr_str,
    vector,
)
from flowmetal.values.errors import flow_error
from flowmetal.vm.effects import print_of

HEADING: Final = ";; What the world answered to a test: with-cassette of flow.test.\n"
VERSION: Final = 1
_WIDTH: Final = 98
_VERSION, _CALLS, _KIND, _ARGS, _VALUE, _ERROR = (
    keyword(name) for name in ("flowmetal/cassette", "calls", "kind", "args", "value", "error")
)
_TYPE, _MESSAGE, _DATA, _CAUSE, _RETRYABLE, _CODE = (
    keyword(name) for name in ("type", "message", "data", "cause", "retryable", "code")
)
_DIFFERENCES, _FILE, _NAME = (keyword(name) for name in ("differences", "file", "name"))
_TELLING: Final = re.compile(
    r"token|secret|passw|api[-_]?key|credential|authorization|cookie", re.IGNORECASE
)
_TELLING_VARIABLE: Final = re.compile(r"token|secret|passw|key|credential|auth", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the world and its answer. ``args`` and ``value`` hold no secret."""

    kind: str
    args: Map
    value: Value = None
    error: ErrorValue | None = None


@dataclass(slots=True)
class Cassette:
    """The calls of one ``with-cassette``. ``problems`` are those that it could not answer.

    ``complete``: nothing was refused while it was recorded, so that it may be kept.
    """

    file: str
    calls: list[Call]
    recorded: bool = False
    complete: bool = True
    problems: list[str] = field(default_factory=list)
    _by_number: dict[int, int] = field(default_factory=dict)
    _hidden: dict[str, str] = field(default_factory=dict)
    _real: dict[int, Call] = field(default_factory=dict)

    def answered(self, request: EffectRequest) -> Call | None:
        """Return the call that has answered or now answers ``request``, None if there is none."""
        asked = self.asked(request)
        before = self._by_number.get(request.number)
        if before is not None and _same(self.calls[before], asked):
            return self._real.get(before, self.calls[before])
        used = set(self._by_number.values())
        for index, call in enumerate(self.calls):
            if index not in used and _same(call, asked) and not self.recorded:
                self._by_number[request.number] = index
                self._hide_variable(call, call.value)
                return call
        return None

    def record(self, request: EffectRequest, value: Value, error: ErrorValue | None) -> Call:
        """Add what the world answered, and return it as it was: the file hides secrets, the program has them."""
        asked = self.asked(request)
        self._hide_variable(asked, value)
        index = self._by_number[request.number] = len(self.calls)
        self.calls.append(Call(asked.kind, asked.args, self._masked(value), self._masked(error)))
        self._real[index] = Call(asked.kind, asked.args, value, error)
        return self._real[index]

    def asked(self, request: EffectRequest) -> Call:
        """Return a request as a call without secrets, as the file has it."""
        return Call(request.kind, self._masked(_as_written(request.args)))

    def changed(self, request: EffectRequest) -> ErrorValue:
        """Return the error for a request that no call answers, with what differs from the nearest."""
        from flowmetal.stdlib.natives.testing import differences

        asked = self.asked(request)
        used = set(self._by_number.values())
        found = [
            (len(difference := differences(call.args, asked.args)), index, difference)
            for index, call in enumerate(self.calls)
            if index not in used and call.kind == request.kind
        ]
        nearest: Value = vector(())
        message = f"{self.file} has no answer left to {request.kind} {pr_str(asked.args)}"
        if found:
            _, index, nearest = min(found, key=lambda one: one[:2])
            self._by_number[request.number] = index  # nobody shall miss it as well
            message = f"{request.kind} is not what {self.file} recorded"
        self.problems.append(message)
        # fmt: off
        data = hash_map(
            ((_FILE, self.file), (_KIND, request.kind), (_DIFFERENCES, nearest))
        )
        # fmt: on
        return _error("FM0655", "cassette/changed", message, data)

    def unused(self) -> list[Call]:
        """Return the calls that nobody has made."""
        used = set(self._by_number.values())
        return [call for index, call in enumerate(self.calls) if index not in used]

    def _masked(self, value: Value) -> Value:
        for text, name in _secrets_in(value):
            self._hide(text, name)
        return without(value, self._hidden)

    def _hide_variable(self, call: Call, value: Value) -> None:
        name = str(call.args.get(_NAME))
        if call.kind == "env/get" and isinstance(value, str) and _TELLING_VARIABLE.search(name):
            self._hide(value, name)

    def _hide(self, text: str, name: str) -> None:
        """Hide a text, and the same one in a URL or in JSON, in all calls from now on."""
        if len(text) >= SHORTEST_HIDDEN:
            self._hidden.update(dict.fromkeys(spellings(text), name))


def _as_written(args: Map) -> Map:
    """Return arguments as they are read from a file: plain collections, a record as a tagged map."""
    from flowmetal.reader import ReadOptions, read_string

    try:
        read = read_string(pr_str(args), ReadOptions(edn=True))
    except FlowmetalError:  # a keyword with a space in it, say
        return args
    assert isinstance(read, Map)
    return read


def read_cassette(file: str, shown: str) -> list[Call]:
    """Return the calls in ``file``. Raises EffectFailed FM0654 or FM0656."""
    from flowmetal.embed.files import read_bytes
    from flowmetal.reader import ReadOptions, decode_source, read_string

    try:
        text = decode_source(shown, read_bytes(file)).text
    except UsageError as error:
        if error.code == "FM1301":
            message = f"{shown} has not been recorded"
            raise EffectFailed(_error("FM0654", "cassette/missing", message)) from None
        raise EffectFailed(_error("FM0656", "cassette/damaged", error.message)) from None
    try:
        content = read_string(text, ReadOptions(edn=True), shown)
        return _calls_in(content)
    except FlowmetalError as error:
        message = f"{shown} cannot be read: {error.message}"
    except _NoCassette as error:
        message = f"{shown} is not a cassette: {error}"
    raise EffectFailed(_error("FM0656", "cassette/damaged", message))


def text_of(calls: list[Call]) -> str:
    """Return the content of a cassette's file."""
    from flowmetal.stdlib.natives.pretty import pretty

    lines = [HEADING, f"{{:flowmetal/cassette {VERSION}\n :calls ["]
    shown = []
    for call in calls:
        pairs = [(_KIND, call.kind), (_ARGS, call.args)]
        pairs.append((_VALUE, call.value) if call.error is None else (_ERROR, _as_map(call.error)))
        shown.append(pretty(hash_map(pairs), _WIDTH, None, None).rstrip().replace("\n", "\n  "))
    return "".join(lines) + ("\n  " + "\n  ".join(shown) if shown else "") + "]}\n"


class _NoCassette(Exception):
    """What was read has another shape."""


def _calls_in(content: Value) -> list[Call]:
    if not isinstance(content, Map) or _VERSION not in content:
        raise _NoCassette("it has no :flowmetal/cassette")
    if content.get(_VERSION) != VERSION:
        raise _NoCassette(f"its version is {pr_str(content.get(_VERSION))}, not {VERSION}")
    calls = content.get(_CALLS)
    if not isinstance(calls, Vector):
        raise _NoCassette("its :calls are no vector")
    return [_call_in(call, number) for number, call in enumerate(calls, 1)]


def _call_in(content: Value, number: int) -> Call:
    if not isinstance(content, Map):
        raise _NoCassette(f"call {number} is no map")
    kind, args = content.get(_KIND), content.get(_ARGS)
    if not isinstance(kind, str) or not isinstance(args, Map):
        raise _NoCassette(f"call {number} has no :kind, a string, or no :args, a map")
    error = content.get(_ERROR)
    return Call(kind, args, content.get(_VALUE), None if error is None else _as_error(error))


def _as_map(error: ErrorValue) -> Map:
    cause = None if error.cause is None else _as_map(error.cause)
    # fmt: off
    pairs = (
        (_TYPE, error.type),   (_MESSAGE, error.message),     (_DATA, error.data),
        (_CAUSE, cause),       (_RETRYABLE, error.retryable), (_CODE, error.code),
    )
    # fmt: on
    return hash_map((key, value) for key, value in pairs if value is not None)


def _as_error(content: Value) -> ErrorValue:
    if not isinstance(content, Map) or not isinstance(content.get(_TYPE), Keyword):
        raise _NoCassette("an :error has no :type, a keyword")
    message, data, cause = (content.get(key) for key in (_MESSAGE, _DATA, _CAUSE))
    code, retryable = content.get(_CODE), content.get(_RETRYABLE)
    return ErrorValue(
        content.get(_TYPE),
        None if message is None else str(message),
        data if isinstance(data, Map) else EMPTY_MAP,
        None if cause is None else _as_error(cause),
        retryable=retryable if isinstance(retryable, bool) else None,
        code=code if isinstance(code, str) else None,
    )


def _same(one: Call, other: Call) -> bool:
    """Say whether two calls ask for the same. ##NaN, which equals nothing, is the same argument again."""
    return print_of(one.kind, one.args) == print_of(other.kind, other.args)


def _secrets_in(value: Value) -> Iterator[tuple[str, str]]:
    """Yield (text, name) of what stands under names that say that it is secret, at any depth."""
    waiting: list[tuple[str, Value]] = [("", value)]
    while waiting:
        name, item = waiting.pop()
        if isinstance(item, Map):
            waiting += [(_telling_name(key), inner) for key, inner in item.items()]
        elif isinstance(item, (Vector, List, Set)):
            waiting += [(name, inner) for inner in item]
        elif isinstance(item, TaggedLiteral):
            waiting.append((name, item.form))
        elif isinstance(item, ErrorValue):
            waiting += [("", item.data), ("", item.cause)]
        elif name and isinstance(item, str):
            yield item, name


def _telling_name(key: Value) -> str:
    text = key.name if isinstance(key, Keyword) else key
    return text if isinstance(text, str) and _TELLING.search(text) else ""


def _error(code: str, type_text: str, message: str, data: Map = EMPTY_MAP) -> ErrorValue:
    raised = flow_error(code, type_text, message, data).error
    assert isinstance(raised, ErrorValue)
    return raised
