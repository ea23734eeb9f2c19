"""Natives of flow.cli: the words of a command line, by a table of options.

A mistake in the words is the user's and comes back as data in ``:errors``, all
of them at once; a mistake in the table is the program's and is raised.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from flowmetal.stdlib.natives.arguments import need_map, wrong
from flowmetal.stdlib.natives.options import need_options, refused
from flowmetal.stdlib.natives.table import MISSING, Table
from flowmetal.stdlib.natives.walking import items_of
from flowmetal.values import Keyword, Value, hash_map, keyword, show, vector
from flowmetal.values.names import reads_as_keyword

native = Table("flow.cli")

_TYPE, _DEFAULT, _ALIAS = keyword("type"), keyword("default"), keyword("alias")
_REQUIRED, _MANY, _DOC = keyword("required?"), keyword("many?"), keyword("doc")
_OPTS, _ARGS, _ERRORS = keyword("opts"), keyword("args"), keyword("errors")
_OPTION, _VALUE, _MESSAGE = keyword("option"), keyword("value"), keyword("message")
_STRING, _BOOLEAN = keyword("string"), keyword("boolean")


def _as_long(text: str) -> Value:
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,4000}", text) else MISSING


def _as_double(text: str) -> Value:
    number = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
    return float(text) if re.fullmatch(number, text) else MISSING


def _as_boolean(text: str) -> Value:
    return {"true": True, "false": False}.get(text, MISSING)


def _as_keyword(text: str) -> Value:
    name = text.removeprefix(":")
    return keyword(name) if reads_as_keyword(name) else MISSING


# The name of a type, what an error calls it, and the value of a word or MISSING.
# fmt: off
_TYPES: Final[dict[Keyword, tuple[str, Callable[[str], Value]]]] = {
    _STRING:            ("a text",        lambda text: text),
    keyword("long"):    ("an integer",    _as_long),
    keyword("double"):  ("a number",      _as_double),
    _BOOLEAN:           ("true or false", _as_boolean),
    keyword("keyword"): ("a name",        _as_keyword),
}
# fmt: on
_FLAG: Final = (True, False, None)
_ROW: Final[dict[Keyword, Sequence[Value]]] = {
    _TYPE: tuple(_TYPES),
    _DEFAULT: (),
    _ALIAS: (),
    _REQUIRED: _FLAG,
    _MANY: _FLAG,
    _DOC: (),
}


class _Option(NamedTuple):
    key: Keyword
    type: Keyword
    default: Value
    alias: str | None
    required: bool
    many: bool
    doc: str

    @property
    def word(self) -> str:
        return f"--{self.key.text.rstrip('?')}"


class _Found:
    """What the words have said so far."""

    def __init__(self) -> None:
        self.opts: dict[Keyword, Value] = {}
        self.args: list[str] = []
        self.errors: list[Value] = []

    def complain(self, message: str, option: Keyword | None = None, value: Value = None) -> None:
        pairs = ((_OPTION, option), (_VALUE, value), (_MESSAGE, message))
        self.errors.append(hash_map((k, x) for k, x in pairs if x is not None))

    def enter(self, option: _Option, text: str, word: str) -> None:
        """Enter the value that ``text`` stands for, or complain of it."""
        wanted, read = _TYPES[option.type]
        value = read(text)
        if value is MISSING:
            self.complain(f"{word} needs {wanted}, not {show(text)}", option.key, text)
        elif option.many:
            before = self.opts.get(option.key)
            self.opts[option.key] = vector((value,)) if before is None else before.conj(value)
        else:
            self.opts[option.key] = value


@native("parse")
def parse(args: Value, spec: Value) -> Value:
    """Return {:opts :args :errors} of the words of a command line."""
    options = _options("parse", 2, spec)
    words = list(items_of("parse", args))
    if type(args) is str or not all(type(word) is str for word in words):
        raise wrong("parse", "a sequence of strings", 1, args)
    found = _Found()
    _read_words(words, options, found)
    complained = {error.get(_OPTION) for error in found.errors}
    for option in options:
        if option.key in found.opts:
            continue
        if option.default is not MISSING:
            found.opts[option.key] = option.default
        elif option.required and option.key not in complained:
            found.complain(f"{option.word} is missing", option.key)
    ordered = [(o.key, found.opts[o.key]) for o in options if o.key in found.opts]
    return hash_map(
        ((_OPTS, hash_map(ordered)), (_ARGS, vector(found.args)), (_ERRORS, vector(found.errors)))
    )


def _read_words(words: list[str], options: list[_Option], found: _Found) -> None:
    names = {option.word: option for option in options}
    names.update((f"-{option.alias}", option) for option in options if option.alias)
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            found.args += words[at:]
            return
        if word == "-" or word[:1] != "-" or (_is_number(word) and word[:2] not in names):
            found.args.append(word)
            continue
        option, name, text = _split(word, names)
        if option is None:
            _complain_of_unknown(word, names, found)
        elif text is not None:
            found.enter(option, text, name)
        elif option.type is _BOOLEAN:
            found.enter(option, "true", name)
        elif at < len(words) and not _is_option(words[at], names):
            found.enter(option, words[at], name)
            at += 1
        else:
            found.complain(f"{name} needs {_TYPES[option.type][0]} after it", option.key)


def _split(word: str, names: dict[str, _Option]) -> tuple[_Option | None, str, str | None]:
    """Return the option that a word names, the name, and the value if it is in the word, too."""
    name, equals, text = word.partition("=")
    if name in names:
        return names[name], name, text if equals else None
    no = names.get(f"--{name[5:]}") if name.startswith("--no-") and not equals else None
    if no is not None and no.type is _BOOLEAN:
        return no, name, "false"
    short = names.get(word[:2]) if word[1] != "-" else None
    if short is not None and short.type is not _BOOLEAN:
        return short, word[:2], word[2:]
    return None, word, None


def _complain_of_unknown(word: str, names: dict[str, _Option], found: _Found) -> None:
    flags = [names.get(f"-{letter}") for letter in word[1:]]
    if word[1] != "-" and all(flag is not None and flag.type is _BOOLEAN for flag in flags):
        for flag, letter in zip(flags, word[1:], strict=True):
            assert flag is not None
            found.enter(flag, "true", f"-{letter}")
        return
    from flowmetal.errors.suggestions import did_you_mean

    name = word.partition("=")[0]
    hint = did_you_mean(name, names) if name.startswith("--") else None  # all letters are near
    found.complain(f"there is no option {name}" + (f": {hint}" if hint else ""), value=word)


def _is_option(word: str, names: dict[str, _Option]) -> bool:
    return word.startswith("--") or (word[:1] == "-" != word and _split(word, names)[0] is not None)


def _is_number(word: str) -> bool:
    return _as_double(word) is not MISSING


@native("usage")
def usage(spec: Value) -> str:
    """Return a line of help for each option."""
    rows = [(_left_of(option), _right_of(option)) for option in _options("usage", 1, spec)]
    width = max((len(left) for left, _ in rows), default=0)
    return "\n".join(f"  {left.ljust(width)}  {right}".rstrip() for left, right in rows)


def _left_of(option: _Option) -> str:
    alias = f"-{option.alias}, " if option.alias else "    "
    value = "" if option.type is _BOOLEAN else f" {option.type.text.upper()}"
    return f"{alias}{option.word}{value}"


def _right_of(option: _Option) -> str:
    notes = ["required"] if option.required else []
    notes += ["repeatable"] if option.many else []
    notes += [] if option.default in (MISSING, None) else [f"default {show(option.default)}"]
    return " ".join((option.doc, f"({', '.join(notes)})" if notes else "")).strip()


def _options(function: str, position: int, spec: Value) -> list[_Option]:
    """Return the rows of a table of options. Raises FM0501 or FM0512 for one that makes no sense."""
    options = []
    taken: set[str] = set()
    for key, row in need_map(function, position, spec).items():
        if type(key) is not Keyword:
            raise refused(f"`{function}` needs keywords as names of options, not {show(key)}")
        given = need_options(function, position, row, _ROW)
        alias = given.get(_ALIAS)
        if alias is not None and (type(alias) is not Keyword or not _is_letter(alias.text)):
            raise refused(
                f"`{function}` takes a keyword of one letter as :alias, not {show(alias)}"
            )
        option = _Option(
            key,
            given.get(_TYPE, _STRING),
            given.get(_DEFAULT, MISSING),
            None if alias is None else alias.text,
            given.get(_REQUIRED) is True,
            given.get(_MANY) is True,
            str(given.get(_DOC) or ""),
        )
        for name in (option.word, option.alias):
            if name is not None and name in taken:
                raise refused(f"`{function}` has two options called {name}")
        taken |= {option.word, option.alias or option.word}
        options.append(option)
    return options


def _is_letter(text: str) -> bool:
    return len(text) == 1 and text.isalnum()
