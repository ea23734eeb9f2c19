"""Names for the collections that a program itself holds.

A literal that a function pushes is the same object each time. A machine that
goes on from a snapshot must find the same object in its own copy of the
program, else ``identical?`` and the next snapshot would tell the difference. So
each collection inside of a constant has a name: the function or the var that
owns it, the constant's index, and its number in the constant.

Numbers count occurrences depth first and know nothing of sharing, so that a
program just compiled and the same program read from a file agree. A constant
that holds anything but vectors, lists, maps, sets, metadata and scalars has no
names; its parts are saved like other values.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from flowmetal.bytecode.encoding import pack
from flowmetal.values import KINDS, List, Map, Set, Symbol, Value, Vector
from flowmetal.values.kinds import LAST_SCALAR
from flowmetal.vm.link import Image, LinkedFunction

Place: TypeAlias = tuple["LinkedFunction | str", int, int]
"""Who owns the collection, which constant it is in, and which part of that."""

_MOST_PARTS = 1 << 16
_COLLECTIONS = frozenset({Vector, List, Map, Set})


class Fixed:
    """The names of one image's collections; it grows as functions are linked."""

    def __init__(self) -> None:
        self.places: dict[int, Place] = {}
        self._of_base = 0
        self._kept: list[Value] = []  # what places names by id must not go away
        self._vars = 0
        self._functions = 0

    @staticmethod
    def of(image: Image) -> dict[int, Place]:
        """Return the places of an image's collections by their ``id``."""
        fixed = image.places
        if type(fixed) is not Fixed:
            fixed = image.places = Fixed()
        return fixed.current(image)

    @staticmethod
    def over(image: Image, older: Iterable[Image]) -> dict[int, Place]:
        """Return the places of an image's collections, also as ``older`` images hold them.

        A machine that moves to new code holds collections of the old program. Those of a function that
        comes along, and of a var whose value is the same, are the new program's from then on. Whether two
        programs share their objects is a matter of how a process has come to read them.
        """
        places = dict(Fixed.of(image))
        for other in older:
            same: dict[str, bool] = {}
            for found, (owner, constant, part) in Fixed.of(other).items():
                if found in places:
                    continue
                if isinstance(owner, str):
                    if owner not in same:
                        same[owner] = _is_fixed_alike(owner, other, image)
                    if same[owner]:
                        places[found] = (owner, constant, part)
                elif (function := image.functions.get(owner.function.hash)) is not None:
                    places[found] = (function, constant, part)
        return places

    def current(self, image: Image) -> dict[int, Place]:
        """Return the places, those of functions linked since the last time included."""
        if image.base is not None:
            self._take(Fixed.of(image.base))
        # Other threads may link meanwhile.
        linked, fixed = len(image.linked), 0 if image.base is not None else len(image.static)
        if self._functions < linked:
            for function in image.linked[self._functions : linked]:
                for index, value in enumerate(function.function.constants):
                    if type(value) in _COLLECTIONS:
                        self._add(function, index, value)
            self._functions = linked
        if self._vars < fixed:
            for name, value in list(image.static.items()):
                if type(value) in _COLLECTIONS:
                    self._add(name, 0, value)
            self._vars = fixed
        return self.places

    def _take(self, of_base: dict[int, Place]) -> None:
        """Take in what the program's own image has found since the last time."""
        if self._of_base < len(of_base):
            found = list(of_base.items())
            self.places.update(found[self._of_base :])
            self._of_base = len(found)

    def _add(self, owner: LinkedFunction | str, index: int, value: Value) -> None:
        for part, found in enumerate(collections_in(value)):
            if id(found) not in self.places:
                self.places[id(found)] = (owner, index, part)
                self._kept.append(found)


def _is_fixed_alike(name: str, one: Image, other: Image) -> bool:
    """Say whether two programs give a var the same constant, with parts in the same order."""
    values = [image.static.get(name) for image in (one, other)]
    if not all(type(value) in _COLLECTIONS for value in values):
        return False
    return pack(values[0]) == pack(values[1])


def collections_in(value: Value) -> list[Value]:
    """Return a constant's collections depth first; none if it holds something unusual."""
    found: list[Value] = []
    stack = [value]
    while stack:
        item = stack.pop()
        kind = type(item)
        if kind in _COLLECTIONS:
            found.append(item)
            if len(found) > _MOST_PARTS:
                return []
            children = _children(item)
            children.reverse()
            stack += children
        elif kind is Symbol:
            if item.meta is not None:
                stack.append(item.meta)
        elif KINDS[kind] > LAST_SCALAR:
            return []
    return found


def _children(item: Value) -> list[Value]:
    if type(item) is Map:
        children = [part for pair in item.items() for part in pair]
    elif type(item) is List:
        children = [item.first, item.rest] if item.count else []
    else:
        children = list(item)
    if item.meta is not None:
        children.append(item.meta)
    return children
