"""The arguments of an effect, read one by one and checked: a name, a count, a duration, a run."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from flowmetal.effects.errors import bad_argument
from flowmetal.effects.requests import EffectFailed
from flowmetal.ids import RunId
from flowmetal.runtime.entering import signal_name
from flowmetal.runtime.retry import duration_us
from flowmetal.values import Keyword, Map, RunRef, Value, keyword, kind_of, pr_str
from flowmetal.values.codec import encode_data
from flowmetal.values.kinds import SEQUENCE

_MISSING: Final = object()


class Arguments:
    """The arguments of an effect of a kind. What reads one raises EffectFailed if it is not of its shape."""

    def __init__(self, kind: str, args: Map) -> None:
        self._kind = kind
        self._args = args

    def get(self, name: str) -> Value:
        return self._args.get(keyword(name))

    def has(self, name: str) -> bool:
        return self._args.get(keyword(name), _MISSING) is not _MISSING

    def name(self, name: str) -> str:
        """Return a name: a string, or a keyword without its colon."""
        value = self.get(name)
        if not isinstance(value, (str, Keyword)) or value == "":
            raise self.wrong(f":{name} is a string or a keyword")
        return signal_name(value)

    def count(self, name: str, otherwise: int | None = None, least: int = 1) -> int:
        """Return a whole number."""
        value = self.get(name)
        if value is None and otherwise is not None:
            return otherwise
        if type(value) is not int or not least <= value < 1 << 53:
            raise self.wrong(f":{name} is a whole number from {least}")
        return value

    def count_or_none(self, name: str, least: int = 1) -> int | None:
        return None if self.get(name) is None else self.count(name, least=least)

    def us(self, name: str) -> int:
        try:
            return duration_us(self.get(name), f":{name}")
        except ValueError as problem:
            raise self.wrong(str(problem)) from None

    def us_or_none(self, name: str) -> int | None:
        return None if self.get(name) is None else self.us(name)

    def span_us(self, name: str) -> int:
        """Return a duration that is longer than nothing: what ends when it begins is a mistake."""
        us = self.us(name)
        if us < 1:
            raise self.wrong(f":{name} is longer than nothing, got {pr_str(self.get(name))}")
        return us

    def span_us_or_none(self, name: str) -> int | None:
        return None if self.get(name) is None else self.span_us(name)

    def one_of(self, name: str, names: Collection[str]) -> str:
        value = self.get(name)
        if not isinstance(value, Keyword) or value.text not in names:
            words = " or ".join(f":{word}" for word in names)
            raise self.wrong(f":{name} is {words}")
        return value.text

    def run(self, name: str) -> RunId:
        """Return the id of a run: a handle or the id itself."""
        value = self.get(name)
        id_ = value.id if isinstance(value, RunRef) else value
        if not isinstance(id_, str) or not id_:
            raise self.wrong(f":{name} is a run or the id of one")
        return RunId(id_)

    def items(self, name: str) -> tuple[Value, ...]:
        """Return the items of a vector or another sequence; none if it is not there."""
        value = self.get(name)
        if value is None:
            return ()
        if kind_of(value) != SEQUENCE:
            raise self.wrong(f":{name} is a vector")
        return tuple(value)

    def inside(self, name: str) -> Arguments:
        """Return a map among the arguments, to be read like them."""
        value = self.get(name)
        if not isinstance(value, Map):
            raise self.wrong(f":{name} is a map")
        return Arguments(self._kind, value)

    def body(self, name: str) -> bytes:
        return encode_data(self.get(name))

    def wrong(self, message: str) -> EffectFailed:
        return EffectFailed(bad_argument(self._kind, message))
