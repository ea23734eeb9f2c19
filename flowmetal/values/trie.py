"""The trees under big collections, as immutable nodes that versions share.

A collection of up to ``SMALL`` elements is a plain tuple or dict that is
copied at each change. Beyond, it stands on the trees of this file, and one
change copies one path: no cost grows with the size but the number of levels,
its logarithm to the base 16.

**Order.** Elements stand at ordinals 0, 1, 2, ... in a radix tree of ``Node``s,
``WIDTH`` slots each. A leaf's slots hold elements (of a vector: values; of a
map or set: ``(key, value)`` pairs, None where one was removed); an inner
node's slots hold nodes, None where nothing is below. A slot tuple may be
shorter than ``WIDTH``. Removing leaves a hole and never renumbers; a node that
holds nothing goes away.

**Index.** A map or set also has an index from key to ordinal: a radix tree over
the stable hash, lowest bits first, of ``Node``s over ``Bucket``s. It follows
from the order tree, and is built from it when it is first needed, so a
snapshot saves the order tree alone.

For the snapshot: ``Node.chunk`` and ``Bucket.chunk`` are free for bytes that
stand for the node and all below it, and are never looked at here. Nothing ever
changes a node's slots, so what was written once stays true. A child is a node
exactly if its type is ``Node``. ``VectorTrie`` and ``TableTrie`` are rebuilt
by calling them with what their slots held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Final, TypeAlias

from flowmetal.values.equality import equal
from flowmetal.values.hashing import hash_of
from flowmetal.values.kinds import Value

SMALL: Final = 64  # the largest collection that is a plain tuple or dict
SHRINK: Final = 32  # a big one becomes plain again at this size; the gap keeps it from flapping
BITS: Final = 4  # 16 slots: changing one of 100,000 entries rewrites about a kilobyte of nodes
WIDTH: Final = 1 << BITS
MASK: Final = WIDTH - 1
_BUCKET: Final = 32  # hashes in a bucket before it is split
_HASH_BITS: Final = 64


class Node:
    """Up to ``WIDTH`` slots; immutable but for ``chunk`` and ``has_nan``, which are the snapshot's.

    ``size`` counts the entries below; sorted collections work it out when they need it.
    """

    __slots__ = ("chunk", "has_nan", "size", "slots")
    has_nan: bool  # not there until somebody asks

    def __init__(self, slots: tuple[Value, ...]) -> None:
        self.slots = slots
        self.chunk: bytes | None = None
        self.size = 0


class Bucket:
    """Ordinals by full hash; a tuple of ordinals where full hashes collide."""

    __slots__ = ("chunk", "entries")

    def __init__(self, entries: dict[int, int | tuple[int, ...]]) -> None:
        self.entries = entries
        self.chunk: bytes | None = None


IndexNode: TypeAlias = Node | Bucket | None
Entry: TypeAlias = tuple[Value, Value]


def replaced(slots: tuple[Value, ...], at: int, item: Value) -> tuple[Value, ...]:
    """Return ``slots`` with ``item`` at index ``at``, made longer as needed."""
    if at < len(slots):
        changed = list(slots)
        changed[at] = item
        return tuple(changed)
    return (*slots, *(None,) * (at - len(slots)), item)


def _node_or_none(slots: tuple[Value, ...]) -> Node | None:
    """Return a node without the holes at its end, or None if nothing is left."""
    end = len(slots)
    while end and slots[end - 1] is None:
        end -= 1
    return Node(slots[:end]) if end else None


def find_leaf(root: Node | None, shift: int, ordinal: int) -> tuple[Value, ...]:
    """Return the slots of the leaf that has ``ordinal``, () if there is none."""
    node = root
    while node is not None:
        if shift == 0:
            return node.slots
        at = (ordinal >> shift) & MASK
        node = node.slots[at] if at < len(node.slots) else None
        shift -= BITS
    return ()


def put_leaf(root: Node | None, shift: int, ordinal: int, leaf: Node | None) -> Node | None:
    """Return the tree with ``leaf`` as the one that has ``ordinal``; None takes it away."""
    if shift == 0:
        return leaf
    slots = () if root is None else root.slots
    at = (ordinal >> shift) & MASK
    child = slots[at] if at < len(slots) else None
    below = put_leaf(child, shift - BITS, ordinal, leaf)
    if below is None:
        return _node_or_none(replaced(slots, at, None)) if child is not None else root
    return Node(replaced(slots, at, below))


def with_slot(root: Node | None, shift: int, ordinal: int, item: Value) -> Node:
    """Return the tree with ``item`` at ``ordinal``; to leave a hole is ``put_leaf``'s work."""
    path: list[tuple[Value, ...]] = []
    node = root
    level = shift
    while level:
        slots = () if node is None else node.slots
        path.append(slots)
        at = (ordinal >> level) & MASK
        node = slots[at] if at < len(slots) else None
        level -= BITS
    made = Node(replaced(() if node is None else node.slots, ordinal & MASK, item))
    while path:
        level += BITS
        made = Node(replaced(path.pop(), (ordinal >> level) & MASK, made))
    return made


def grown(root: Node | None, shift: int, ordinal: int) -> tuple[Node | None, int]:
    """Return root and shift with levels added until ``ordinal`` has a place."""
    while ordinal >> (shift + BITS):
        root = None if root is None else Node((root,))
        shift += BITS
    return root, shift


def built(leaves: Sequence[Node]) -> tuple[Node, int]:
    """Build a tree over full leaves; return its root and the root's shift."""
    shift = 0
    level = leaves
    while len(level) > 1 or shift == 0:
        level = [Node(tuple(level[at : at + WIDTH])) for at in range(0, len(level), WIDTH)]
        shift += BITS
    return level[0], shift


def iterate_leaves(root: Node | None, shift: int) -> Iterator[tuple[Value, ...]]:
    """Yield the slots of all leaves in order."""
    if root is None:
        return
    if shift == 0:
        yield root.slots
        return
    stack = [iter(root.slots)]
    while stack:
        for child in stack[-1]:
            if child is None:
                continue
            if len(stack) * BITS == shift:
                yield child.slots
            else:
                stack.append(iter(child.slots))
                break
        else:
            stack.pop()


def cut(root: Node, shift: int, low: int, high: int, base: int = 0) -> Node | None:
    """Keep the leaves with ordinals from ``low`` to before ``high``, multiples of WIDTH both."""
    kept: list[Value] = []
    for at, child in enumerate(root.slots):
        start = base + (at << shift)
        end = start + (1 << shift)
        if child is None or end <= low or start >= high:
            kept.append(None)
        elif low <= start and end <= high:
            kept.append(child)
        else:
            kept.append(cut(child, shift - BITS, low, high, start))
    return _node_or_none(tuple(kept))


class VectorTrie:
    """The body of a big vector: ordinals ``start`` to before ``start + count``.

    ``tail`` holds the last 1 to ``WIDTH`` elements, beginning at a multiple of
    ``WIDTH``; all before stand below ``root``, whose children have ``shift``
    bits of ordinal below them. Places below ``start`` hold nothing.
    """

    __slots__ = ("count", "root", "shift", "start", "tail")

    def __init__(
        self, start: int, count: int, shift: int, root: Node | None, tail: tuple[Value, ...]
    ) -> None:
        self.start = start
        self.count = count
        self.shift = shift
        self.root = root
        self.tail = tail

    @staticmethod
    def of(items: tuple[Value, ...]) -> VectorTrie:
        """Build the body of a vector of more than ``WIDTH`` items."""
        tail_at = (len(items) - 1) & ~MASK
        leaves = [Node(items[at : at + WIDTH]) for at in range(0, tail_at, WIDTH)]
        root, shift = built(leaves)
        return VectorTrie(0, len(items), shift, root, items[tail_at:])

    def nth(self, index: int) -> Value:
        """Return the element at ``index``, which must be in range."""
        ordinal = self.start + index
        tail_at = self.count - len(self.tail)
        if index >= tail_at:
            return self.tail[index - tail_at]
        node: Value = self.root
        shift = self.shift
        while shift:
            node = node.slots[(ordinal >> shift) & MASK]
            shift -= BITS
        return node.slots[ordinal & MASK]

    def conj(self, item: Value) -> VectorTrie:
        tail = self.tail
        if len(tail) < WIDTH:
            return VectorTrie(self.start, self.count + 1, self.shift, self.root, (*tail, item))
        tail_at = self.start + self.count - WIDTH
        root, shift = grown(self.root, self.shift, tail_at)
        root = put_leaf(root, shift, tail_at, Node(tail))
        return VectorTrie(self.start, self.count + 1, shift, root, (item,))

    def assoc(self, index: int, item: Value) -> VectorTrie:
        tail_at = self.count - len(self.tail)
        if index >= tail_at:
            tail = replaced(self.tail, index - tail_at, item)
            return VectorTrie(self.start, self.count, self.shift, self.root, tail)
        ordinal = self.start + index
        root = with_slot(self.root, self.shift, ordinal, item)
        return VectorTrie(self.start, self.count, self.shift, root, self.tail)

    def pop(self) -> VectorTrie:
        """Return the body without the last element; more than ``SHRINK`` are left."""
        if len(self.tail) > 1:
            return VectorTrie(self.start, self.count - 1, self.shift, self.root, self.tail[:-1])
        last = self.start + self.count - 2
        tail = find_leaf(self.root, self.shift, last)
        root = put_leaf(self.root, self.shift, last, None)
        return VectorTrie(self.start, self.count - 1, self.shift, root, tail)

    def slice(self, low: int, high: int) -> VectorTrie:
        """Return the elements from ``low`` to before ``high``, more than ``SMALL`` of them."""
        start = self.start + low
        end = self.start + high
        tail_at = (end - 1) & ~MASK
        if tail_at == self.start + self.count - len(self.tail):
            tail = self.tail[: end - tail_at]
        else:
            tail = find_leaf(self.root, self.shift, tail_at)[: end - tail_at]
        assert self.root is not None
        root = cut(self.root, self.shift, start & ~MASK, tail_at)
        if start & MASK:
            # What stands before the slice must not be kept alive, nor be saved.
            slots = find_leaf(root, self.shift, start)
            hollow = (None,) * (start & MASK) + slots[start & MASK :]
            root = put_leaf(root, self.shift, start, Node(hollow))
        return VectorTrie(start, high - low, self.shift, root, tail)

    def __iter__(self) -> Iterator[Value]:
        leaves = chain.from_iterable(iterate_leaves(self.root, self.shift))
        return chain(islice(leaves, self.start & MASK, None), self.tail)


class TableTrie:
    """The body of a big map or set: entries by ordinal, and the index by key.

    ``next_ordinal`` is where the next new key goes. ``index`` is None until a
    key is first looked for; filling it in changes nothing that can be seen.
    """

    __slots__ = ("count", "index", "next_ordinal", "order", "shift")

    def __init__(
        self,
        count: int,
        next_ordinal: int,
        shift: int,
        order: Node | None,
        index: IndexNode = None,
    ) -> None:
        self.count = count
        self.next_ordinal = next_ordinal
        self.shift = shift
        self.order = order
        self.index = index

    @staticmethod
    def of(entries: Sequence[Entry]) -> TableTrie:
        """Build the body of a map of these entries, whose keys differ."""
        leaves = [Node(tuple(entries[at : at + WIDTH])) for at in range(0, len(entries), WIDTH)]
        order, shift = built(leaves)
        return TableTrie(len(entries), len(entries), shift, order)

    def __iter__(self) -> Iterator[Entry]:
        leaves = iterate_leaves(self.order, self.shift)
        return (entry for leaf in leaves for entry in leaf if entry is not None)

    def entry_at(self, ordinal: int) -> Entry:
        """Return the entry at an ordinal that has one."""
        node: Value = self.order
        shift = self.shift
        while shift:
            node = node.slots[(ordinal >> shift) & MASK]
            shift -= BITS
        entry: Entry = node.slots[ordinal & MASK]
        return entry

    def entries_from(self, ordinal: int) -> Iterator[Entry]:
        """Iterate over the entries from an ordinal on."""
        found = self.first_from(ordinal)
        while found is not None:
            leaf = find_leaf(self.order, self.shift, found)
            yield from (entry for entry in leaf[found & MASK :] if entry is not None)
            found = self.first_from((found | MASK) + 1)

    def first_from(self, ordinal: int) -> int | None:
        """Return the lowest ordinal, not below ``ordinal``, that has an entry."""
        return _first_from(self.order, self.shift, ordinal)

    def find(self, key: Value) -> Entry | None:
        """Return the entry of ``key``, if there is one."""
        found = self._place_of(key, hash_of(key))
        return None if found is None else found[1]

    def assoc(self, key: Value, value: Value) -> TableTrie:
        hashed = hash_of(key)
        found = self._place_of(key, hashed)
        if found is not None:
            ordinal, entry = found
            order = with_slot(self.order, self.shift, ordinal, (entry[0], value))
            return TableTrie(self.count, self.next_ordinal, self.shift, order, self.index)
        ordinal = self.next_ordinal
        root, shift = grown(self.order, self.shift, ordinal)
        order = with_slot(root, shift, ordinal, (key, value))
        index = _index_add(self.index, 0, hashed, ordinal)
        return TableTrie(self.count + 1, ordinal + 1, shift, order, index)

    def dissoc(self, key: Value) -> TableTrie:
        """Return the body without ``key``; the same body if it is not there."""
        hashed = hash_of(key)
        found = self._place_of(key, hashed)
        if found is None:
            return self
        ordinal = found[0]
        slots = replaced(find_leaf(self.order, self.shift, ordinal), ordinal & MASK, None)
        order = put_leaf(self.order, self.shift, ordinal, _node_or_none(slots))
        index = _index_drop(self.index, 0, hashed, ordinal)
        return TableTrie(self.count - 1, self.next_ordinal, self.shift, order, index)

    def _place_of(self, key: Value, hashed: int) -> tuple[int, Entry] | None:
        """Return the ordinal and the entry of ``key``, if there is one."""
        node: Value = self.index
        if node is None:
            node = self.index = self._built_index()
        rest = hashed
        while type(node) is Node:
            at = rest & MASK
            node = node.slots[at] if at < len(node.slots) else None
            rest >>= BITS
        if node is None:
            return None
        found = node.entries.get(hashed)
        if found is None:
            return None
        for ordinal in (found,) if type(found) is int else found:
            entry = self.entry_at(ordinal)
            if equal(entry[0], key):
                return ordinal, entry
        return None

    def _built_index(self) -> IndexNode:
        by_hash: dict[int, int | tuple[int, ...]] = {}
        base = 0
        ordinal = self.first_from(0)
        while ordinal is not None:
            base = ordinal & ~MASK
            for at, entry in enumerate(find_leaf(self.order, self.shift, base)):
                if entry is not None:
                    hashed = hash_of(entry[0])
                    known = by_hash.get(hashed)
                    by_hash[hashed] = base + at if known is None else _more(known, base + at)
            ordinal = self.first_from(base + WIDTH)
        return _split(by_hash, 0)


def _first_from(root: Node | None, shift: int, ordinal: int) -> int | None:
    if root is None or ordinal >> (shift + BITS):
        return None
    slots = root.slots
    for at in range((ordinal >> shift) & MASK, len(slots)):
        if slots[at] is not None:
            if shift == 0:
                return at
            low = ordinal & ((1 << shift) - 1) if at == (ordinal >> shift) & MASK else 0
            found = _first_from(slots[at], shift - BITS, low)
            if found is not None:
                return (at << shift) | found
    return None


def _more(known: int | tuple[int, ...], ordinal: int) -> tuple[int, ...]:
    return (known, ordinal) if isinstance(known, int) else (*known, ordinal)


def _split(entries: dict[int, int | tuple[int, ...]], depth: int) -> Node | Bucket:
    """Make an index of entries whose hashes agree in their lowest ``depth`` bits."""
    if len(entries) <= _BUCKET or depth >= _HASH_BITS:
        return Bucket(entries)
    parts: list[dict[int, int | tuple[int, ...]]] = [{} for _ in range(WIDTH)]
    for hashed, ordinals in entries.items():
        parts[(hashed >> depth) & MASK][hashed] = ordinals
    return Node(tuple(_split(part, depth + BITS) if part else None for part in parts))


def _index_add(node: IndexNode, depth: int, hashed: int, ordinal: int) -> IndexNode:
    if node is None:
        return Bucket({hashed: ordinal})
    if type(node) is Node:
        at = (hashed >> depth) & MASK
        child = node.slots[at] if at < len(node.slots) else None
        below = _index_add(child, depth + BITS, hashed, ordinal)
        return Node(replaced(node.slots, at, below))
    assert type(node) is Bucket
    entries = node.entries.copy()
    known = entries.get(hashed)
    entries[hashed] = ordinal if known is None else _more(known, ordinal)
    return _split(entries, depth)


def _index_drop(node: IndexNode, depth: int, hashed: int, ordinal: int) -> IndexNode:
    if type(node) is Node:
        at = (hashed >> depth) & MASK
        below = _index_drop(node.slots[at], depth + BITS, hashed, ordinal)
        return _node_or_none(replaced(node.slots, at, below))
    assert type(node) is Bucket
    entries = node.entries.copy()
    known = entries.pop(hashed)
    if not isinstance(known, int) and len(known) > 1:
        rest = tuple(other for other in known if other != ordinal)
        entries[hashed] = rest[0] if len(rest) == 1 else rest
    return Bucket(entries) if entries else None


def entries_of(items: Iterable[Value]) -> list[Entry]:
    """Return the entries of a set's items."""
    return [(item, None) for item in items]
