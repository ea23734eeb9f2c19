"""Signatures of deliveries, as Standard Webhooks has them (standardwebhooks.com).

What is signed is ``ID.TIMESTAMP.BODY``; the header has one or several ``v1,BASE64``, so that
secrets can be changed. A delivery that was signed more than five minutes ago, or ahead, is
refused: whoever recorded it cannot play it again for ever.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Final

from flowmetal.server.answers import HttpError

TOLERANCE_S: Final = 300


def sign(secret: bytes, id: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a delivery."""
    signed = b".".join((id.encode(), timestamp.encode(), body))
    return "v1," + b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def verify(secrets: Sequence[bytes], headers: Mapping[str, str], body: bytes, now_us: int) -> None:
    """Raise HttpError 401 unless a delivery is signed with one of the secrets."""
    id_, timestamp, given = (
        headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
    )
    if not (id_ and timestamp and given):
        raise _refused("the delivery is not signed")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 20):
        raise _refused("webhook-timestamp is no number of seconds")
    if abs(int(timestamp) - now_us // 1_000_000) > TOLERANCE_S:
        raise _refused("the delivery was signed at another time")
    wanted = [sign(secret, id_, timestamp, body).encode() for secret in secrets]
    found = [word.encode("utf-8", "replace") for word in given.split()]
    if not any(hmac.compare_digest(one, two) for one in wanted for two in found):
        raise _refused("no signature of the delivery is right")


def _refused(message: str) -> HttpError:
    hint = "sign it as Standard Webhooks has it, now, with a secret of this server"
    return HttpError(401, "FM1354", message, hint=hint)
