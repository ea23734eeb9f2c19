"""Text from bytes, by the name of a charset that a stranger gives.

Python knows more encodings than text on the wire has: some are its own notation for literals, and
``punycode`` takes a time that grows with the square of the length. A name that is no charset
here is a LookupError, as a name is that Python does not know.
"""

from __future__ import annotations

import codecs
from typing import Final

_NO_CHARSETS: Final = frozenset(
    {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
)


def decode_text(data: bytes, charset: str, errors: str = "strict") -> str:
    """Return the text. Raises LookupError for what is no charset, ValueError for what is no such text."""
    if codecs.lookup(charset).name in _NO_CHARSETS:
        raise LookupError(f"{charset} is no charset")
    return data.decode(charset, errors)
