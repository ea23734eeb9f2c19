"""Text by the name of a charset that anybody may have sent."""

from __future__ import annotations

import time

import pytest

from flowmetal.values.charsets import decode_text


@pytest.mark.parametrize(
    ("charset", "data"),
    [
        ("utf-8", b"\xc3\xa9"),
        ("ISO-8859-1", b"\xe9"),
        ("utf-16-le", b"\xe9\0"),
        ("cp1252", b"\xe9"),
    ],
)
def test_a_charset_is_known_by_its_names(charset: str, data: bytes) -> None:
    assert decode_text(data, charset) == "\N{LATIN SMALL LETTER E WITH ACUTE}"


@pytest.mark.parametrize(
    "charset",
    ["punycode", "idna", "Unicode_Escape", "raw_unicode_escape", "utf-7", "hex", "zip", ""],
)
def test_what_python_has_for_itself_is_no_charset(charset: str) -> None:
    began = time.monotonic()
    with pytest.raises(LookupError):
        decode_text(b"-" + b"a" * 1_000_000, charset)
    assert time.monotonic() - began < 1
