"""Printed values without the order of what has none.

The entries of maps and sets are sorted by their text, so that two printings of
one value by languages that keep entries in different orders are the same text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

TOKEN = re.compile(r'#?"(?:\\.|[^"\\])*"|\\(?:\w+|.)|#\{|[\[\](){}]|[^\s,\[\](){}"]+', re.DOTALL)
CLOSING = {"(": ")", "[": "]", "{": "}", "#{": "}"}


def unordered(text: str) -> str:
    """Return the text with the entries of its maps and sets sorted."""
    tokens = iter(TOKEN.findall(text))
    return " ".join(_forms(tokens, ""))


def _forms(tokens: Iterator[str], closing: str) -> list[str]:
    forms: list[str] = []
    for token in tokens:
        if token == closing:
            break
        forms.append(_collection(token, tokens) if token in CLOSING else token)
    return forms


def _collection(opening: str, tokens: Iterator[str]) -> str:
    forms = _forms(tokens, CLOSING[opening])
    if opening == "#{":
        forms = sorted(forms)
    elif opening == "{":
        pairs = zip(forms[::2], forms[1::2], strict=False)
        forms = sorted(f"{key} {value}" for key, value in pairs)
    return f"{opening}{' '.join(forms)}{CLOSING[opening]}"
