"""Every native function ends soon, whatever it is given: code that was made by hand can call each of them.

A loop that does not end is no mistake of a program but of ours: it takes no fuel, so it stops the whole interpreter.
"""

from __future__ import annotations

import contextlib
from itertools import product

import pytest

from flowmetal.embed.natives import natives
from flowmetal.values import keyword

ODD = (None, 1, -1, 10**30, 1.5, "ab", keyword("k"))
FEWER = (None, 1, 10**30, "ab")


LIBRARY = sorted(
    (native for native in natives().values() if not native.wants_machine),
    key=lambda native: native.name,
)


@pytest.mark.timeout(120)
def test_a_native_ends_whatever_it_is_given() -> None:
    for native in LIBRARY:
        most = native.least + 2 if native.most is None else native.most
        for count in range(native.least, min(most, 3) + 1):
            for arguments in product(ODD if count < 3 else FEWER, repeat=count):
                with contextlib.suppress(Exception):
                    native.call(*arguments)
