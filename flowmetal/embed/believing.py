"""What is believed of a file that a run comes in: what it may do to the world, and whose child it is.

Anybody can write a file with the right digests. Where there are keys ($FLOWMETAL_KEYS), a **seal** shows that
one was written by somebody who has one of them, and the grants of a file without such a seal are
nobody's. Where there are none, a file is believed as its program is: whoever imports it is told what its run may do,
and can grant something else. A run that comes back to the store that it left may do what it might before. It
is the child of a run here only if it was that before it left.

The seal is the part ``seal`` of the file: the name of a key (store/chain.py), then the HMAC-SHA-256
of the names and digests of all other parts. No keys, no seal.
"""

from __future__ import annotations

import hashlib
import hmac
import shlex
from collections.abc import Mapping

from flowmetal.errors import RefusedError, StoreError
from flowmetal.ids import RunId
from flowmetal.runtime.grants import RunGrants, decode_grants
from flowmetal.store.chain import KeyRing, name_of
from flowmetal.store.protocol import RunRow

SEAL = "seal"
_NAME_BYTES = 4


def sealed(parts: Mapping[str, bytes], ring: KeyRing) -> dict[str, bytes]:
    """Return the parts of a file with a seal by the first key, or as they are if there is none."""
    if not ring.keys:
        return dict(parts)
    key = ring.keys[0]
    return {**parts, SEAL: name_of(key) + _authentication(parts, key)}


def is_sealed(parts: Mapping[str, bytes], ring: KeyRing) -> bool:
    """Say whether one of our keys has sealed these very parts."""
    seal = parts.get(SEAL, b"")
    try:
        key = ring.key(seal[:_NAME_BYTES])
    except StoreError:
        return False  # a key that is not ours
    return key is not None and hmac.compare_digest(seal[_NAME_BYTES:], _authentication(parts, key))


def believed(
    row: RunRow,
    here: RunRow | None,
    given: RunGrants | None,
    file: str,
    *,
    sealed: bool,
    has_keys: bool,
) -> RunRow:
    """Return the row of a run from ``file`` with the grants and the parent that it has here.

    ``here`` is what the run left behind in this store, ``given`` what whoever imports it grants; None: what
    the file says, if that is to be believed. Raises RefusedError FM1204 if it is not.
    """
    parent = None if here is None else here.parent
    if given is not None:
        return row._replace(grants=given.encode(), parent=parent)
    told = decode_grants(row.grants)
    is_known = not has_keys if here is None else here.grants == row.grants
    if not (sealed or is_known or told == RunGrants()):
        raise _refuse(row.id, told, file)
    return row._replace(parent=parent)


def _refuse(run: RunId, told: RunGrants, file: str) -> RefusedError:
    options = told.as_options()
    words = " ".join(map(shlex.quote, options))
    if not words.isprintable():  # somebody's text, on somebody else's terminal
        words = "--allow-..."
    return RefusedError(
        "FM1204",
        f"{file} says that run {run} may do what nobody has granted here: {words}",
        hint="import it with these options, with others or with --no-grants; exports that are sealed with"
        " a key in your $FLOWMETAL_KEYS are believed",
    )


def _authentication(parts: Mapping[str, bytes], key: bytes) -> bytes:
    code = hmac.new(key, b"flowmetal seal\n", "sha256")
    for name, data in sorted(parts.items()):
        if name != SEAL:
            written = name.encode()
            code.update(len(written).to_bytes(4, "big") + written + hashlib.sha256(data).digest())
    return code.digest()
