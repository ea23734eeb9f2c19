"""What kind of value a Python object is: the one table behind equality, hashing, order, printing.

A kind is a small integer, so that a dispatch is one dictionary look-up by the
exact type. Classes of the language say their kind in ``flow_kind``; Python's
own types are listed here. Whatever is not known is ``OPAQUE``: equal to
itself only. Decimals and UUIDs are recognised by name at first sight, so that
``decimal`` and ``uuid`` (6 and 12 ms) are imported by programs that use them
and by no others.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

Value: TypeAlias = Any

# fmt: off
NIL:      Final = 0    # None
BOOLEAN:  Final = 1    # bool, never a number
INTEGER:  Final = 2    # int, of any size
RATIO:    Final = 3    # scalars.Ratio
DECIMAL:  Final = 4    # decimal.Decimal
FLOAT:    Final = 5    # float
STRING:   Final = 6    # str
BYTES:    Final = 7    # bytes
CHAR:     Final = 8    # scalars.Char
KEYWORD:  Final = 9    # names.Keyword
SYMBOL:   Final = 10   # names.Symbol
INSTANT:  Final = 11   # scalars.Instant
DURATION: Final = 12   # scalars.Duration
UUID:     Final = 13   # uuid.UUID
NAMED:    Final = 14   # other scalars that compare by their parts: regex, secret, var, run, fiber
SEQUENCE: Final = 15   # vectors, lists and seqs: ordered, iterable, equal element by element
MAP:      Final = 16   # len, items(), get(k, default); equal whatever the order
SET:      Final = 17   # len, iteration, in; equal whatever the order
PARTS:    Final = 18   # compared through parts(): errors, tagged literals
OPAQUE:   Final = 19   # functions, atoms, ...: equal to itself only
# fmt: on

LAST_SCALAR: Final = NAMED
FIRST_NUMBER: Final = INTEGER
LAST_NUMBER: Final = FLOAT

_BY_NAME: Final = {("decimal", "Decimal"): DECIMAL, ("uuid", "UUID"): UUID}


class _Kinds(dict[type, int]):
    """Kinds by exact type; a type seen for the first time is looked at once."""

    def __missing__(self, cls: type) -> int:
        kind = getattr(cls, "flow_kind", None)
        if kind is None:
            kind = _BY_NAME.get((cls.__module__, cls.__name__), OPAQUE)
        self[cls] = kind
        return int(kind)


KINDS: Final = _Kinds(
    {
        type(None): NIL,
        bool: BOOLEAN,
        int: INTEGER,
        float: FLOAT,
        str: STRING,
        bytes: BYTES,
    }
)


def kind_of(value: Value) -> int:
    """Return the kind of ``value``, one of the constants of this file."""
    return KINDS[type(value)]
