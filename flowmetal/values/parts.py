"""Names of the parts of tables: which function implements a method for a class, and the like.

Protocols, multimethods and types of records have tables that any namespace may
add to. An entry is a var of its own, named by its table, ``@`` and its key:

```
shop/Priced@@shop/Order          that a class implements a protocol, :inline if its own definition says so
shop/Priced@via-metadata         that methods of a protocol may stand in the metadata of a value
shop/Priced@price@shop/Order     how a class implements a method of a protocol
shop/area@:circle                the method of a multimethod for a dispatch value
shop/area@@default               an option of a multimethod
shop/Order@@fields               the fields of a type of records
```

So what a program fixes is code and costs a snapshot nothing, what is added
while it runs is state like any var, and finding an entry is one look-up. No
source can write such a name: ``@`` begins a form. An entry that was taken away
again is nil.
"""

from __future__ import annotations

from typing import Final

from flowmetal.values import kinds
from flowmetal.values.hashing import lasting_hash
from flowmetal.values.kinds import KINDS, Value
from flowmetal.values.printing import pr_str


def part_name(table: str, key: str) -> str:
    """Return the name of an entry."""
    return f"{table}@{key}"


def is_part(name: str) -> bool:
    """Say whether the name of a var is that of an entry of a table."""
    return "@" in name


def table_of(name: str) -> str:
    """Return the table that an entry belongs to."""
    return name.partition("@")[0]


_MOST_ITEMS: Final = 500
_DEEPEST: Final = 100
"""Items of a dispatch value, each counted wherever it stands, and levels of it that its key spells out."""


def method_key(value: Value) -> str:
    """Return the key of a dispatch value, the same for equal values."""
    if KINDS[type(value)] != kinds.SEQUENCE:
        return _key_of_one(value)
    texts: list[str] = []
    return " ".join(texts) if _is_spelled(value, texts) else _hash_key(value)


def _is_spelled(sequence: Value, texts: list[str], depth: int = 0) -> bool:
    """Add the texts of the items of a sequence, in brackets; False if there are too many or too deep ones."""
    first = len(texts)
    for item in sequence:
        if len(texts) >= _MOST_ITEMS or depth == _DEEPEST:
            return False
        if KINDS[type(item)] != kinds.SEQUENCE:
            texts.append(_key_of_one(item))
        elif not _is_spelled(item, texts, depth + 1):
            return False
    if len(texts) == first:
        texts.append("")
    texts[first] = f"[{texts[first]}"
    texts[-1] += "]"
    return True


def _key_of_one(value: Value) -> str:
    kind = KINDS[type(value)]
    text = _text_of(value, kind) if kind <= kinds.LAST_SCALAR else ""
    return (
        text if text and "\0" not in text else _hash_key(value)
    )  # which no name of a var may hold


def _hash_key(value: Value) -> str:
    return f"#{lasting_hash(value):016x}"


def _text_of(value: Value, kind: int) -> str:
    if kind == kinds.SYMBOL:
        return str(value.text)
    if kind == kinds.FLOAT:
        value += 0.0  # so that -0.0 is 0.0
    elif kind == kinds.DECIMAL:
        from flowmetal.values.decimals import without_last_zeros

        value = without_last_zeros(value)
    return pr_str(value)
