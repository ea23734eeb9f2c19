"""The natives of flow.pprint: nested data over several lines.

What fits into the rest of a line stands on it; a collection that does not has
an item on each line. A text is made no longer than the line, however large the
value is, so that the work does not grow with the depth times the size.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowmetal.stdlib.natives.arguments import need_int
from flowmetal.stdlib.natives.table import Table
from flowmetal.values import Map, Set, Value, Vector, is_seq, pr_str, require_realised
from flowmetal.values.limits import allow_characters
from flowmetal.values.meter import meter
from flowmetal.values.printing import reader_mark
from flowmetal.values.record import Record, tag_of
from flowmetal.values.sorted import SortedMap, SortedSet

native = Table("flow.pprint")

_DEEPEST = 100
"""Levels that are broken into lines; what is nested deeper stands on one."""


@native("-pretty")
def pretty(value: Value, margin: Value, length: Value, level: Value) -> str:
    """Return the readable form of a value in lines of at most ``margin`` columns, where that can be."""
    require_realised(value, meter().limits.items)
    return _Layout(need_int("pprint", 2, margin), length, level).text(value, 0, 0, 0)


@native("-cl-format")
def fill(text: Value, arguments: Value) -> str:
    """Return the text that a format makes of its arguments."""
    from flowmetal.stdlib.natives.cl_format import cl_format  # few programs need it

    return cl_format(text, arguments)


class _Layout:
    def __init__(self, margin: int, length: int | None, level: int | None) -> None:
        self._margin = margin
        self._length = length
        self._level = level
        self._size = 0

    def _counted(self, text: str) -> str:
        """Return a part of the result; FM0514 if all parts have more characters than the limit."""
        self._size += len(text)
        allow_characters("pprint", self._size)
        return text

    def text(self, value: Value, indent: int, depth: int, after: int) -> str:
        """Return the text of a value that begins in column ``indent``; ``after`` columns follow it."""
        room = max(self._margin - indent - after, 0)
        level = None if self._level is None else max(self._level - depth, 0)
        flat = pr_str(value, room + 8, self._length, level, True)
        if len(flat) <= room:
            return self._counted(flat)
        if depth == _DEEPEST or level == 0 or not _is_collection(value):
            return self._counted(pr_str(value, None, self._length, level, True, "pprint"))
        mark = reader_mark(value)
        if mark is not None:
            return mark + self.text(value.rest.first, indent + len(mark), depth + 1, after)
        opening, closing = _brackets(value)
        inside = indent + len(opening)
        lines = list(self._items(value, inside, depth + 1, after + len(closing)))
        return opening + ("\n" + " " * inside).join(lines) + closing

    def _items(self, value: Value, indent: int, depth: int, after: int) -> Iterator[str]:
        is_map = isinstance(value, (Map, SortedMap))
        items = list(value.items() if is_map else value)
        for index, item in enumerate(items):
            if self._length is not None and index == self._length:
                yield "..."
                return
            is_last = index == len(items) - 1
            follows = after if is_last else int(is_map)
            if is_map:
                key, inner = item
                text = self._entry(key, inner, indent, depth, follows) + ("" if is_last else ",")
            else:
                text = self.text(item, indent, depth, follows)
            yield text

    def _entry(self, key: Value, value: Value, indent: int, depth: int, after: int) -> str:
        first = self.text(key, indent, depth, 0)
        beside = indent + len(first.rpartition("\n")[2]) + 1
        room = self._margin - beside - after
        flat = pr_str(value, max(room, 0) + 8, self._length, None, True)
        if len(flat) <= room or not _is_collection(value):
            return f"{first} {self.text(value, beside, depth, after)}"
        return f"{first}\n{' ' * indent}{self.text(value, indent, depth, after)}"


def _is_collection(value: Value) -> bool:
    return isinstance(value, (Map, SortedMap, Set, SortedSet, Vector)) or (
        value is not None and is_seq(value)
    )


def _brackets(value: Value) -> tuple[str, str]:
    if isinstance(value, Record):
        return f"#{tag_of(value.record)}{{", "}"
    if isinstance(value, (Map, SortedMap)):
        return "{", "}"
    if isinstance(value, (Set, SortedSet)):
        return "#{", "}"
    return ("[", "]") if isinstance(value, Vector) else ("(", ")")
