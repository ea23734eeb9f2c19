"""What can be done only when all objects have their fields: maps, sets, trees.

The keys of a map must be complete before they can be hashed, and a big
collection can be checked only with all of its nodes there.
"""

from __future__ import annotations

from collections.abc import Iterable

from flowmetal.snapshot.damage import damaged, require
from flowmetal.snapshot.objects import Fields, ObjectTable
from flowmetal.values import (
    FlowError,
    Map,
    Record,
    Set,
    SortedMap,
    SortedSet,
    Unrealised,
    Value,
    key_of,
)
from flowmetal.values.record import is_whole
from flowmetal.values.sorted import in_order, is_leaf
from flowmetal.values.trie import BITS, SMALL, WIDTH, Node, TableTrie, VectorTrie


def complete(tables: Iterable[ObjectTable]) -> None:
    """Fill the maps and sets of all tables and check the trees; all else has been filled."""
    unhashed = [entry for table in tables for entry in table.unhashed]
    unhashed.reverse()  # what a key refers to mostly has a higher number
    while unhashed:
        later = []
        for made, fields in unhashed:
            try:
                made.body = _hashed(made, fields)
            except AttributeError:  # a key holds a map that is not filled yet
                later.append((made, fields))
            except (Unrealised, RecursionError):
                raise damaged("a key that cannot be one") from None
        require(len(later) < len(unhashed), "a map that is its own key")
        unhashed = later
    for table in tables:
        for trie in table.tries:
            _check_trie(trie)


def _hashed(made: Value, fields: Fields) -> dict[Value, Value]:
    if type(made) is Map or type(made) is Record:
        require(len(fields) % 2 == 0 and len(fields) <= 2 * SMALL, "a map")
        body = {key_of(fields[at]): fields[at + 1] for at in range(0, len(fields), 2)}
        require(2 * len(body) == len(fields), "a map")
        return body
    require(len(fields) <= SMALL, "a set")
    members: dict[Value, Value] = dict.fromkeys(map(key_of, fields))
    require(len(members) == len(fields), "a set")
    return members


def _check_trie(made: Value) -> None:
    """Check that what the machine will look for in a tree is there."""
    if type(made) is VectorTrie:
        tail = len(made.tail)
        tail_at = made.start + made.count - tail
        require(1 <= tail <= WIDTH and tail < made.count and tail_at % WIDTH == 0, "a vector")
        first = made.start & ~(WIDTH - 1)
        leaves = _leaves(made.root, made.shift)
        require([base for base, _ in leaves] == list(range(first, tail_at, WIDTH)), "a vector")
        require(all(len(slots) == WIDTH for _, slots in leaves), "a vector")
        require(
            {type(slot) for _, slots in leaves for slot in slots}.isdisjoint(_NO_ITEMS), "a vector"
        )
    elif type(made) is TableTrie:
        leaves = _leaves(made.order, made.shift)
        entries = [slot for _, slots in leaves for slot in slots if slot is not None]
        require({tuple}.issuperset(map(type, entries)), "a big map or set")
        require(len(entries) == made.count > 0, "a big map or set")
        base, slots = leaves[-1]
        require(base + len(slots) <= made.next_ordinal, "a big map or set")
    elif type(made) is Record:
        require(is_whole(made, made.basis), "a record")
    elif type(made) is SortedMap or type(made) is SortedSet:
        _check_sorted(made)
    else:
        source = made.source
        if type(source) in (Map, Set):
            body = source.body
            require(type(body) is TableTrie and body.first_from(made.index) == made.index, "a view")
        else:
            require(made.index < len(source), "a view")


def _check_sorted(made: Value) -> None:
    """Check the depth of a tree, what its leaves hold, and the order if native code knows it."""
    level = [] if made.root is None else [made.root]
    while level and not all(is_leaf(node) for node in level):
        require(all(type(slot) is Node for node in level for slot in node.slots), "a tree")
        level = [slot for node in level for slot in node.slots]
        require(len(level) < _MOST_LEAVES, "a tree")
    entries = [slot for node in level for slot in node.slots]
    require({tuple}.issuperset(map(type, entries)), "a sorted collection")
    if type(made) is SortedSet:
        require(all(value is None for _, value in entries), "a sorted set")
    if made.order is None:
        try:
            require(in_order(entries), "the order of a sorted collection")
        except FlowError:
            raise damaged("a sorted collection whose keys have no order") from None


_NO_ITEMS = frozenset({tuple, Node})
_MOST_LEAVES = 1 << 22


def _leaves(root: Node | None, shift: int) -> list[tuple[int, tuple[Value, ...]]]:
    """Return first ordinal and slots of each leaf of a tree, in order."""
    require(shift % BITS == 0 and shift < 60, "a tree")
    found: list[tuple[int, tuple[Value, ...]]] = []
    waiting: list[tuple[Value, int, int]] = [] if root is None else [(root, shift, 0)]
    while waiting:
        node, below, base = waiting.pop()
        require(type(node) is Node, "a tree")
        slots = node.slots
        if below:
            for at in range(len(slots) - 1, -1, -1):
                if slots[at] is not None:
                    waiting.append((slots[at], below - BITS, base + (at << below)))
        else:
            found.append((base, slots))
            # Nodes may be shared, so few bytes can claim any number of leaves.
            require(len(found) < _MOST_LEAVES, "a tree")
    return found
