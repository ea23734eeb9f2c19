"""Sorted maps and sets: entries in the order of their keys, in a balanced tree of our own.

The tree is a B+ tree of ``trie.Node``: a leaf has up to ``WIDTH`` entries (key,
value), every other node up to ``WIDTH`` nodes, all leaves at one depth. It
knows positions and no order: an entry is put at a position, taken away from a
position, looked up by position. Who looks for a key searches by halves. For
the default order that is done here, with ``compare``. An order that is a
function of the program cannot be followed by native code, which never calls
back: such a collection raises ``OrderedByFunction`` wherever a key must be
found, and the machine lets ``flow.core/-by-order`` do the work in its stead.

A set is a map whose values are nil. A sorted collection equals any other map
or set with equal members. Nodes are chunks of a snapshot as those of ``trie``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice, pairwise
from typing import ClassVar, Final

from flowmetal.values import kinds
from flowmetal.values.equality import equal
from flowmetal.values.hashing import hash_of
from flowmetal.values.kinds import Value
from flowmetal.values.map import Map, hash_map
from flowmetal.values.ordering import compare, need_no_nan, need_ordered
from flowmetal.values.record import Record
from flowmetal.values.trie import WIDTH, Entry, Node
from flowmetal.values.vector import MapEntry, Vector

_FEW: Final = WIDTH // 4


class OrderedByFunction(Exception):
    """A native met a value that only a function of the program can tell about.

    A collection whose order is a function; for ``str``, a record that may have a
    ``toString`` of its own.
    """


# The tree, by position.


def build(entries: Iterable[Entry]) -> Node | None:
    """Return a tree of entries that are in order."""
    nodes: list[Value] = list(entries)
    if not nodes:
        return None
    while True:
        nodes = [Node(tuple(group)) for group in _evenly(nodes)]
        if len(nodes) == 1:
            return nodes[0]  # type: ignore[no-any-return]


def _evenly(items: list[Value]) -> Iterator[list[Value]]:
    """Cut items into as few groups of at most ``WIDTH`` as there can be, of much the same size."""
    groups = -(-len(items) // WIDTH)
    for at in range(groups):
        yield items[at * len(items) // groups : (at + 1) * len(items) // groups]


def is_leaf(node: Node) -> bool:
    """Say whether a node has entries and not nodes."""
    return type(node.slots[0]) is tuple


def size_of(node: Node | None) -> int:
    """Return how many entries a tree has."""
    if node is None:
        return 0
    if not node.size:
        slots = node.slots
        node.size = len(slots) if is_leaf(node) else sum(map(size_of, slots))
    return node.size


def entry_at(node: Node, position: int) -> Entry:
    """Return the entry at a position, which is in range."""
    while not is_leaf(node):
        at, position = _child_at(node, position)
        node = node.slots[at]
    entry: Entry = node.slots[position]
    return entry


def _child_at(node: Node, position: int) -> tuple[int, int]:
    """Return which child of a node a position is in, and the position there."""
    last = len(node.slots) - 1
    for at, child in enumerate(node.slots):
        size = size_of(child)
        if position < size or at == last:
            return at, position
        position -= size
    raise AssertionError("a node without children")


def replaced_at(node: Node, position: int, entry: Entry) -> Node:
    """Return the tree with another entry at a position."""
    slots = list(node.slots)
    if is_leaf(node):
        slots[position] = entry
    else:
        at, inside = _child_at(node, position)
        slots[at] = replaced_at(slots[at], inside, entry)
    return Node(tuple(slots))


def inserted_at(root: Node | None, position: int, entry: Entry) -> Node:
    """Return the tree with one more entry, before the one that was at ``position``."""
    if root is None:
        return Node((entry,))
    made = _inserted(root, position, entry)
    return made[0] if len(made) == 1 else Node(tuple(made))


def _inserted(node: Node, position: int, entry: Entry) -> list[Node]:
    slots = list(node.slots)
    if is_leaf(node):
        slots.insert(position, entry)
    else:
        at, inside = _child_at(node, position)
        slots[at : at + 1] = _inserted(slots[at], inside, entry)
    return [Node(tuple(group)) for group in _evenly(slots)]


def removed_at(root: Node, position: int) -> Node | None:
    """Return the tree without the entry at ``position``, None if it was the only one."""
    made: Value = _removed(root, position)
    while made is not None and not is_leaf(made) and len(made.slots) == 1:
        (made,) = made.slots
    return made  # type: ignore[no-any-return]


def _removed(node: Node, position: int) -> Node | None:
    slots = list(node.slots)
    if is_leaf(node):
        del slots[position]
        return Node(tuple(slots)) if slots else None
    at, inside = _child_at(node, position)
    child = _removed(slots[at], inside)
    if child is None:
        del slots[at]
    else:
        slots[at] = child
        if len(child.slots) < _FEW and len(slots) > 1:
            # Share out anew with a neighbour, or become one node with it.
            left = max(0, at - 1)
            together = [*slots[left].slots, *slots[left + 1].slots]
            slots[left : left + 2] = [Node(tuple(group)) for group in _evenly(together)]
    return Node(tuple(slots)) if slots else None


def entries_from(node: Node | None, position: int = 0) -> Iterator[Entry]:
    """Iterate over the entries from a position on."""
    if node is None or position >= size_of(node):
        return
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if is_leaf(node):
            yield from islice(node.slots, position, None)
            position = 0
            continue
        at, position = _child_at(node, position)
        waiting.extend(reversed(node.slots[at:]))


class _Sorted:
    """What maps and sets share. ``order`` None is ``compare``, else a function of the program."""

    __slots__ = ("cached_hash", "meta", "order", "root")
    by_order: ClassVar[bool] = True
    record: ClassVar[None] = None

    def __init__(self, root: Node | None, order: Value = None, meta: Value = None) -> None:
        self.root = root
        self.order = order
        self.meta = meta
        self.cached_hash: int | None = None

    def __len__(self) -> int:
        return size_of(self.root)

    def position_of(self, key: Value) -> int:
        """Return where a key is, or -1 minus where it would have to be put.

        Raises OrderedByFunction if native code cannot know, FM0327 for a key
        that has no order with those that are there.
        """
        if self.order is not None:
            raise OrderedByFunction
        node = self.root
        if node is None:
            return -1
        before = 0
        while not is_leaf(node):
            at = max(0, _first_after(node.slots, key, _lowest) - 1)
            before += sum(map(size_of, node.slots[:at]))
            node = node.slots[at]
        at = _first_after(node.slots, key, _key)
        if at and compare(node.slots[at - 1][0], key) == 0:
            return before + at - 1
        return -1 - (before + at)

    def entry_at(self, position: int) -> Entry:
        """Return the key and the value at a position, which is in range."""
        assert self.root is not None
        return entry_at(self.root, position)

    def _entry_of(self, key: Value) -> Entry | None:
        position = self.position_of(key)
        return None if position < 0 else self.entry_at(position)

    def __contains__(self, key: Value) -> bool:
        return self.position_of(key) >= 0

    def put_root(self, position: int, key: Value, value: Value) -> Node:
        """Return the tree with an entry put where ``position_of`` said; a key that is there stays."""
        if position < 0:
            if self.order is None:
                _need_key(key, self.root is None)
            return inserted_at(self.root, -1 - position, (key, value))
        assert self.root is not None
        return replaced_at(self.root, position, (entry_at(self.root, position)[0], value))

    def cut_root(self, position: int) -> Node | None:
        """Return the tree without the entry at a position."""
        assert self.root is not None
        return removed_at(self.root, position)

    def __eq__(self, other: object) -> bool:
        return equal(self, other)

    def __hash__(self) -> int:
        return hash_of(self)

    def __repr__(self) -> str:
        from flowmetal.values.printing import show

        return show(self)


def _need_key(key: Value, is_first: bool) -> None:
    """Raise FM0327 for what may not be put where ``compare`` orders: what was put can be found and be saved."""
    if is_first:
        need_ordered(key)
    if isinstance(key, Vector):
        need_no_nan(key)


def _first_after(items: tuple[Value, ...], key: Value, key_of: Callable[[Value], Value]) -> int:
    """Return the index of the first item whose key comes after ``key``."""
    low, high = 0, len(items)
    while low < high:
        middle = (low + high) // 2
        if compare(key_of(items[middle]), key) > 0:
            high = middle
        else:
            low = middle + 1
    return low


def _key(entry: Value) -> Value:
    return entry[0]


def _lowest(node: Value) -> Value:
    while not is_leaf(node):
        node = node.slots[0]
    return node.slots[0][0]


class SortedMap(_Sorted):
    """An immutable map in the order of its keys."""

    __slots__ = ()
    flow_kind: ClassVar[int] = kinds.MAP

    def with_meta(self, meta: Value) -> SortedMap:
        """Return the same map with other metadata."""
        return SortedMap(self.root, self.order, meta)

    def get(self, key: Value, default: Value = None) -> Value:
        """Return the value under ``key``, or ``default``."""
        entry = self._entry_of(key)
        return default if entry is None else entry[1]

    def find(self, key: Value) -> MapEntry | None:
        """Return the entry of ``key`` as the map holds it."""
        entry = self._entry_of(key)
        return None if entry is None else MapEntry(*entry)

    def put(self, position: int, key: Value, value: Value) -> SortedMap:
        """Return the map with an entry where ``position_of`` said."""
        return SortedMap(self.put_root(position, key, value), self.order, self.meta)

    def cut(self, position: int) -> SortedMap:
        """Return the map without the entry at a position."""
        return SortedMap(self.cut_root(position), self.order, self.meta)

    def assoc(self, key: Value, value: Value) -> SortedMap:
        """Return the map with ``value`` under ``key``."""
        return self.put(self.position_of(key), key, value)

    def dissoc(self, key: Value) -> SortedMap:
        """Return the map without ``key``; the same map if it is not there."""
        position = self.position_of(key)
        return self if position < 0 else self.cut(position)

    def items(self) -> Iterator[Entry]:
        """Iterate over (key, value) in order."""
        return entries_from(self.root)

    def keys(self) -> Iterator[Value]:
        return (key for key, _ in self.items())

    def values(self) -> Iterator[Value]:
        return (value for _, value in self.items())

    def members_from(self, position: int) -> Iterator[MapEntry]:
        """Iterate over the entries from a position on."""
        return (MapEntry(*entry) for entry in entries_from(self.root, position))

    def __iter__(self) -> Iterator[MapEntry]:
        return self.members_from(0)


class SortedSet(_Sorted):
    """An immutable set in the order of its members."""

    __slots__ = ()
    flow_kind: ClassVar[int] = kinds.SET

    def with_meta(self, meta: Value) -> SortedSet:
        """Return the same set with other metadata."""
        return SortedSet(self.root, self.order, meta)

    def get(self, item: Value, default: Value = None) -> Value:
        """Return the member equal to ``item`` as the set holds it, or ``default``."""
        entry = self._entry_of(item)
        return default if entry is None else entry[0]

    def put(self, position: int, item: Value, _: Value = None) -> SortedSet:
        """Return the set with a member where ``position_of`` said; the same set if it is there."""
        if position >= 0:
            return self
        return SortedSet(self.put_root(position, item, None), self.order, self.meta)

    def cut(self, position: int) -> SortedSet:
        """Return the set without the member at a position."""
        return SortedSet(self.cut_root(position), self.order, self.meta)

    def conj(self, item: Value) -> SortedSet:
        """Return the set with ``item``; the same set if it is there."""
        return self.put(self.position_of(item), item)

    def disj(self, item: Value) -> SortedSet:
        """Return the set without ``item``; the same set if it is not there."""
        position = self.position_of(item)
        return self if position < 0 else self.cut(position)

    def members_from(self, position: int) -> Iterator[Value]:
        """Iterate over the members from a position on."""
        return (entry[0] for entry in entries_from(self.root, position))

    def __iter__(self) -> Iterator[Value]:
        return self.members_from(0)


EMPTY_SORTED_MAP: Final = SortedMap(None)
EMPTY_SORTED_SET: Final = SortedSet(None)


def sorted_map(pairs: Iterable[Entry], meta: Value = None) -> SortedMap:
    """Return a map of ``pairs`` in the default order; of equal keys the last has its value."""
    made = EMPTY_SORTED_MAP
    for key, value in pairs:
        made = made.assoc(key, value)
    return made if meta is None else made.with_meta(meta)


def sorted_set(items: Iterable[Value], meta: Value = None) -> SortedSet:
    """Return a set of ``items`` in the default order."""
    made = EMPTY_SORTED_SET
    for item in items:
        made = made.conj(item)
    return made if meta is None else made.with_meta(meta)


def plain_map(value: Value) -> Map | None:
    """Return a map of any kind, a record or a sorted one too, as a plain one; None for anything else."""
    if type(value) is Map:
        return value
    if type(value) is Record:
        return value.plain()
    return hash_map(value.items()) if type(value) is SortedMap else None


def in_order(entries: list[Entry]) -> bool:
    """Say whether keys rise by the default order. Raises FM0327 if they have none."""
    return all(compare(one[0], other[0]) < 0 for one, other in pairwise(entries))
