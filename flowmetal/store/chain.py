"""The chain of a run's history: each event is hashed together with the run's id and all before it.

The run's row holds the head of the chain. An event that was changed, left out or put in
makes the head another one, and so does another run's history in its place. Without a key that finds accidents and clumsy edits; with
a key (HMAC) nobody without it can make the head that fits.

A head is bytes, of which the store knows nothing:

```
4   which key: the first bytes of its SHA-256; zeros for none
8   number of the last event in it, big endian
32  SHA-256 or HMAC-SHA-256 of the head before, the run's id and the event
```

The runtime extends the chain in the commit that holds the events. What the store
itself writes down while nobody drives a run (its beginning, a pause) is taken into
the chain by the next commit.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from flowmetal.errors import StoreError
from flowmetal.ids import RunId
from flowmetal.store.protocol import Event

NO_KEY: Final = bytes(4)
HEAD_BYTES: Final = 44
SHORTEST_KEY: Final = 16
UNCHAINED: Final = 1000
"""Events that are not in the chain yet and are loaded with a run, at most; there are one or two, as a rule."""


class KeyRing(NamedTuple):
    """Keys for chains: the first one is used for new runs, all of them for those that have begun."""

    keys: Sequence[bytes] = ()

    def first(self) -> bytes:
        """Return the name of the key for a new chain."""
        return name_of(self.keys[0]) if self.keys else NO_KEY

    def key(self, name: bytes) -> bytes | None:
        """Return a key by its name; None for the name of none. Raises StoreError FM1039."""
        if name == NO_KEY:
            return None
        for key in self.keys:
            if name_of(key) == name:
                return key
        raise StoreError(
            "FM1039",
            f"the history is chained with the key {name.hex()}, which is not here",
            hint="add it to the file that $FLOWMETAL_KEYS names: the first key there is for new runs",
        )


def name_of(key: bytes) -> bytes:
    """Return what heads call a key."""
    return hashlib.sha256(b"flowmetal key " + key).digest()[:4]


def beginning(ring: KeyRing) -> bytes:
    """Return the head of a chain without events."""
    return ring.first() + bytes(HEAD_BYTES - 4)


def length(head: bytes) -> int:
    """Return the number of the last event in a chain."""
    return int.from_bytes(head[4:12], "big")


def extended(head: bytes, run: RunId, events: Iterable[Event], ring: KeyRing) -> bytes:
    """Return the head with more events of ``run``, which follow those in it without a gap."""
    name, digest = head[:4], head[12:]
    key = ring.key(name)
    seq = length(head)
    whose = run.encode()
    for event in events:
        assert event.seq == seq + 1, "the chain has no gaps"
        seq = event.seq
        link = _bytes_of(digest, whose, event)
        if key is None:
            digest = hashlib.sha256(link).digest()
        else:
            digest = hmac.digest(key, link, "sha256")
    return name + seq.to_bytes(8, "big") + digest


def _bytes_of(before: bytes, run: bytes, event: Event) -> bytes:
    """Return what is hashed: every field with its length, so that none can pass for another.

    The run is in each link and not in the first alone, for the first ones may have been cut.
    """
    kind, name = event.kind.encode(), event.name.encode()
    numbers = (event.seq, event.time_us, event.effect, len(run), len(kind), len(name))
    line = " ".join(map(str, numbers)).encode() + b"\n"
    return b"".join((before, line, run, kind, name, event.data))
