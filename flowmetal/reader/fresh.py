"""Names that nobody else has: what ``x#`` in a template and ``%`` in ``#()`` become.

The expansion of one macro can end up inside that of another, whatever files
they come from, so the names must differ between all templates of a program;
and compiling the same text again, in any order and on any machine, must give
the same program. Hence no counter of a process but a digest: of the namespace
and the text of the top-level form, and a number within that form.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from hashlib import blake2b


class FreshNames:
    """The fresh names of one top-level form; ``origin`` is asked for only if there are any."""

    __slots__ = ("_digest", "_next_number", "_origin")

    def __init__(
        self, origin: Callable[[], str], next_number: Callable[[], int] | None = None
    ) -> None:
        self._origin = origin
        self._digest = ""
        self._next_number = next_number or itertools.count(1).__next__

    def mark(self) -> str:
        """Return the next part of a name that makes it unique."""
        if not self._digest:
            text = self._origin().encode("utf-8", "surrogatepass")
            self._digest = blake2b(text, digest_size=4).hexdigest()
        return f"{self._digest}_{self._next_number()}"
