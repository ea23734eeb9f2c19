"""What a run has compiled itself, as a part of its snapshot.

Only what is still needed is written: the functions that the rest of the snapshot
refers to, and those nested in them. So a run may evaluate forms for years, and its
snapshots hold what it could still call. The image lets go of the rest when it has become much.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from flowmetal.bytecode.file import write_modules
from flowmetal.ids import CodeHash
from flowmetal.values import Value
from flowmetal.vm.link import Image

MOST_FORGOTTEN = 64
"""Functions that nothing refers to any more and that an image still holds."""


def own_code(image: Image, codes: Iterable[Value]) -> bytes:
    """Return the names of an image's own, and the code of it that ``codes`` needs: hashes, as bytes."""
    assert image.base is not None
    shared = image.base.functions
    waiting = [CodeHash(code.hex()) for code in codes]
    needed: set[CodeHash] = set()
    while waiting:
        name = waiting.pop()
        # While a run moves to another program, its frames have code that is not the image's.
        if name not in needed and name not in shared and name in image.functions:
            needed.add(name)
            waiting.extend(image.functions[name].function.functions)
    own = list(islice(image.functions.items(), len(shared), None))
    if len(own) > MOST_FORGOTTEN + 2 * len(needed):
        image.forget({name for name, _ in own} - needed)
    functions = tuple(linked.function for name, linked in own if name in needed)
    first, *others = image.own.values()
    return write_modules([first._replace(functions=functions), *others])
