r"""What a number, string, character, keyword or symbol token means.

Everything here takes the text of one token and returns a value or raises
``Unreadable``, which knows what is wrong and where in the token.

Numbers: ``12 -0xF 010 2r101 1_000 1N 1/2 1.5e-3 1.5M``. Strings:
``\n \t \r \b \f \" \\ \u00e9 \x41 \101``. Characters: ``\a \newline \u00e9
\o101``. An underscore may stand between two digits.
"""

from __future__ import annotations

import re

from flowmetal.values.errors import FlowError
from flowmetal.values.kinds import Value
from flowmetal.values.number_text import SPECIAL_FLOATS, parse_number
from flowmetal.values.scalars import Char, char


class Unreadable(Exception):
    """A token without a meaning: ``start`` and ``end`` are offsets into it."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        label: str = "",
        hint: str | None = None,
        start: int = 0,
        end: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.label, self.hint = code, message, label, hint
        self.start, self.end = start, end


def read_number(text: str) -> Value:
    """Return the number that ``text`` is; it starts with a digit or a sign and a digit."""
    if text.isdecimal() and text.isascii() and text[0] != "0" and len(text) < 20:
        return int(text)
    try:
        number = parse_number(text)
    except FlowError:
        if text.rstrip("0_").endswith("/"):
            raise Unreadable("FM0021", "a ratio cannot have 0 below the line") from None
        raise Unreadable("FM0022", "a number may have 65,536 bits, this one has more") from None
    if number is None:
        label, hint = "it starts like one", _number_hint(text)
        raise Unreadable("FM0020", f"`{cut(text)}` is not a number", label=label, hint=hint)
    return number


def _number_hint(text: str) -> str | None:
    radix = re.match(r"[+-]?([0-9]+)[rR]", text)
    if radix and not 2 <= int(radix[1][:9]) <= 36:
        return "use a radix from 2 to 36"
    if radix:
        return f"use digits of radix {int(radix[1][:9])} only"
    if re.fullmatch(r"[+-]?0[0-9_]+N?", text):
        return "leave out the leading 0: it makes the number octal, with digits 0 to 7"
    if re.fullmatch(r"[+-]?[0-9.]+[fFdDlL]", text):
        return "leave out the suffix: only N and M are known"
    if "_" in text:
        return "put each underscore between two digits"
    if re.match(r"[+-]?[0-9_]+[A-Za-z]", text):
        return "start a name with something other than a digit"
    return None


def read_symbolic(text: str) -> float:
    try:
        return SPECIAL_FLOATS[text]
    except KeyError:
        message, hint = f"`{cut(text)}` is not a value", "use ##Inf, ##-Inf or ##NaN"
        raise Unreadable("FM0027", message, hint=hint) from None


_ESCAPE = re.compile(
    r"""\\(?:
        u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})
      | u(?P<unicode>[0-9a-fA-F]{4})
      | x(?P<byte>[0-9a-fA-F]{2})
      | (?P<octal>[0-3][0-7]{0,2}|[4-7][0-7]?)
      | (?P<other>.)
    )""",
    re.VERBOSE | re.DOTALL,
)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "\\": "\\"}
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_string(text: str) -> str:
    """Return what is between the quotes of ``text``, with its escapes replaced."""
    body = text[1:-1]
    if lone := _SURROGATE.search(body):
        raise _surrogate(lone.start() + 1, lone.end() + 1, ord(lone.group()))
    return _ESCAPE.sub(_unescape, body) if "\\" in body else body


def _unescape(match: re.Match[str]) -> str:
    if high := match["high"]:
        return chr(0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(match["low"], 16) & 0x3FF))
    if unicode := match["unicode"]:
        if _SURROGATE.match(chr(int(unicode, 16))):
            raise _surrogate(match.start() + 1, match.end() + 1, int(unicode, 16))
        return chr(int(unicode, 16))
    if byte := match["byte"]:
        return chr(int(byte, 16))
    if octal := match["octal"]:
        return chr(int(octal, 8))
    other = match["other"]
    if other in _SIMPLE:
        return _SIMPLE[other]
    digits = {"u": "four hexadecimal digits: \\u00e9", "x": "two hexadecimal digits: \\x41"}
    backslash = f"write `\\\\{_shown(other)}` for a backslash"
    raise Unreadable(
        "FM0023",
        f"`\\{_shown(other)}` is not an escape in a string",
        hint=f"{backslash}, or {digits[other]}" if other in digits else backslash,
        start=match.start() + 1,
        end=match.end() + 1,
    )


def _surrogate(start: int, end: int, code_point: int) -> Unreadable:
    return Unreadable(
        "FM0023", f"U+{code_point:04X} is half a character", start=start, end=end,
        hint="write both halves of the pair, or the character itself",
    )  # fmt: skip


CHARACTER_NAMES = {
    "newline": "\n",
    "space": " ",
    "tab": "\t",
    "return": "\r",
    "backspace": "\b",
    "formfeed": "\f",
}


def read_char(text: str) -> Char:
    """Return the character that ``text``, with its backslash, names."""
    name = text[1:]
    if len(name) == 1:
        return char(name)
    if name in CHARACTER_NAMES:
        return char(CHARACTER_NAMES[name])
    if re.fullmatch("u[0-9a-fA-F]{4}", name):
        code_point = int(name[1:], 16)
        if _SURROGATE.match(chr(code_point)):
            raise _surrogate(0, len(text), code_point)
        return char(chr(code_point))
    if re.fullmatch("o(?:[0-3][0-7]{0,2}|[4-7][0-7]?)", name):
        return char(chr(int(name[1:], 8)))
    raise Unreadable(
        "FM0024",
        f"`{cut(text)}` is not a character",
        hint="name one of " + " ".join("\\" + known for known in CHARACTER_NAMES),
    )


def split_name(text: str) -> tuple[str | None, str]:
    """Split the text of a symbol, or of a keyword without colons, into namespace and name.

    Raises Unreadable FM0025 where the text is no proper name.
    """
    if "/" not in text:
        namespace, name = None, text
    elif text == "/":
        return None, "/"
    elif text.endswith("//") and len(text) > 2:
        namespace, name = text[:-2], "/"
    else:
        namespace, _, name = text.partition("/")
    bad = _name_fault(namespace, name)
    if bad:
        shown = cut(text) or ":"  # a keyword comes without its colon
        raise Unreadable("FM0025", f"`{shown}` is not a name", label=bad)
    return namespace, name


def _name_fault(namespace: str | None, name: str) -> str:
    if namespace == "":
        return "nothing stands before the `/`"
    if not name:
        return "nothing stands after the `/`" if namespace is not None else "it is empty"
    if "/" in (namespace or "") or ("/" in name and name != "/"):
        return "a name has at most one `/`"
    if name.endswith(":") or (namespace or "").endswith(":"):
        return "it ends with `:`"
    if "::" in name or "::" in (namespace or ""):
        return "it contains `::`"
    if namespace is not None and name[0] in "0123456789":
        return "a digit stands after the `/`"
    return ""


def _shown(char: str) -> str:
    return char if char.isprintable() else f"U+{ord(char):04X}"


def cut(text: str) -> str:
    shown = "".join(map(_shown, text[:41]))
    return shown if len(text) <= 40 else shown[:40] + "…"
