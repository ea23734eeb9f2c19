"""Every native function ends soon and small, whatever it is given: code that was made by hand can call each of them.

A loop that does not end is no mistake of a program but of ours: it takes no fuel, so it stops the whole interpreter.
So does a text of gigabytes. What Python says of arguments is only for the library's own natives to raise.
"""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from itertools import product

import pytest

from flowmetal.embed.natives import natives
from flowmetal.values import (
    Duration,
    FlowError,
    OrderedByFunction,
    Unrealised,
    hash_map,
    keyword,
    vector,
)
from flowmetal.vm.misuse import CRASHES
from flowmetal.vm.state import Native

ODD = (
    None, 1, -1, 10**5000, 1.5, float("nan"), float("inf"), "ab", b"ab", Duration(1), keyword("k"),
    vector([1, 2]), hash_map([(1, 2)]),
)  # fmt: skip
FEWER = (None, 1, 10**5000, "ab", vector([1, 2]))
FEWEST = (1, "ab")

LIBRARY = sorted(
    (native for native in natives().values() if not native.wants_machine),
    key=lambda native: native.name,
)
ROOM = 1 << 30


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Address space for a gigabyte more than there is in use."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def allowed(native: Native) -> tuple[type[BaseException], ...]:
    its_own = CRASHES if native.name.rpartition("/")[2].startswith("-") else ()
    return (FlowError, Unrealised, OrderedByFunction, RecursionError, *its_own)


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("little_memory")
def test_a_native_ends_whatever_it_is_given() -> None:
    for native in LIBRARY:
        most = native.least + 2 if native.most is None else native.most
        for count in range(native.least, min(most, 5) + 1):
            values = ODD if count < 3 else FEWER if count < 4 else FEWEST
            for arguments in product(values, repeat=count):
                with contextlib.suppress(*allowed(native)):
                    native.call(*arguments)
