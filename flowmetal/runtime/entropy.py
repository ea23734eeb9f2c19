"""Where unguessable numbers come from. A test passes a seeded ``random.Random``."""

from __future__ import annotations

import os
from typing import Protocol


class Entropy(Protocol):
    """The part of ``random.Random`` that the runtime needs."""

    def randbytes(self, n: int) -> bytes: ...

    def random(self) -> float:
        """Return a number from 0 up to, not including, 1."""


class SystemEntropy:
    """The operating system's generator."""

    def randbytes(self, n: int) -> bytes:
        return os.urandom(n)

    def random(self) -> float:
        return int.from_bytes(os.urandom(7), "big") / (1 << 56)
