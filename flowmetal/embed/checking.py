"""Arguments of the Python API are of the type that its functions say: the one place that looks.

``checked`` stands over a function, ``checked_methods`` over a class whose public methods host programs call. What is asked
of an argument is its annotation, word for word: a row of ``_ROWS`` says what is such a thing and how to come by one. What has
no row is looked at where it is used: values become data there (``DataError``), and anything is true or false.

Without this a wrong argument would fail somewhere inside, as an AttributeError that names nothing of the user's; or be
taken for something: a text for its characters, a dict for its keys.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from types import FunctionType
from typing import Any, Final, NamedTuple, TypeVar

from flowmetal.errors import UsageError

Function = TypeVar("Function", bound=Callable[..., Any])
Class = TypeVar("Class", bound=type)

_NONE: Final = " | None"
_TEXTS: Final = (str, bytes, bytearray)
_IN_BRACKETS: Final = 'write ["..."], for a single one too'


class _Row(NamedTuple):
    """What an argument is, in words; what says whether something is one; and where one comes from."""

    noun: str
    accepts: Callable[[object], bool]
    remedy: str


def _is(*types: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, types)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_of(home: str, name: str) -> Callable[[object], bool]:
    """Look for a class of ours that is loaded when it is needed: before, nothing is of it."""

    def accepts(value: object) -> bool:
        module = sys.modules.get(f"flowmetal.{home}")
        return module is not None and isinstance(value, getattr(module, name))

    return accepts


def _is_list(value: object) -> bool:
    """Say whether something can be gone through again and again, in an order of its own."""
    is_other = isinstance(value, (*_TEXTS, Mapping, Set)) or hasattr(value, "items")
    return hasattr(value, "__len__") and hasattr(value, "__iter__") and not is_other


def _is_list_of(*types: type) -> Callable[[object], bool]:
    return lambda value: _is_list(value) and all(isinstance(each, types) for each in _each(value))


def _is_some(*types: type) -> Callable[[object], bool]:
    """What can only be gone through once is left to whoever does it."""

    def accepts(value: object) -> bool:
        if isinstance(value, (*_TEXTS, Mapping)) or not isinstance(value, Iterable):
            return False
        return isinstance(value, Iterator) or all(isinstance(each, types) for each in value)

    return accepts


def _are_beginnings(value: object) -> bool:
    return (
        isinstance(value, Iterable)
        and not isinstance(value, (*_TEXTS, Mapping))
        and not (_is_of("runtime.starting", "Beginning")(value))
    )


def _each(value: object) -> Iterable[object]:
    assert isinstance(value, Iterable)
    return value


# fmt: off
_ROWS: Final[dict[str, _Row]] = {
    # annotation: what it is in words, what is one, where one comes from
    "str": _Row("a str", _is(str), "write str(...) around it if it is to be that text"),
    "int": _Row("an int", _is_whole, "give a whole number"),
    "str | Path": _Row("a str or a Path", _is(str, os.PathLike), "give a path"),
    "Program": _Row("a Program", _is_of("bytecode.code", "Program"), "make one with flowmetal.compile(...)"),
    "Beginning": _Row("a Beginning", _is_of("runtime.starting", "Beginning"), "write flowmetal.Beginning([argument])"),
    "RunGrants": _Row("grants", _is_of("runtime.grants", "RunGrants"), "make them with flowmetal.grants(...)"),
    "Limits": _Row("Limits", _is_of("values.meter", "Limits"), "make them with flowmetal.Limits(...)"),
    "Retention": _Row("a Retention", _is_of("embed.retention", "Retention"), "make one with Retention(...)"),
    "Mapping[str, str]": _Row("a mapping", _is(Mapping), 'write {"customer": "42"}'),
    "Mapping[int, Value]": _Row("a mapping", _is(Mapping), "write {effect: value}"),
    "Sequence[Value]": _Row("a list", _is_list, "write [argument], for a single one too"),
    "Sequence[str]": _Row("a list of str", _is_list_of(str), _IN_BRACKETS),
    "Sequence[str | Path]": _Row("a list of str or Path", _is_list_of(str, os.PathLike), _IN_BRACKETS),
    "Iterable[str]": _Row("a list of str", _is_some(str), _IN_BRACKETS),
    "Iterable[Beginning]": _Row("a list of Beginning", _are_beginnings, "write [flowmetal.Beginning([argument]), ...]"),
    "Iterable[Callable[..., Any]]": _Row("a list of functions", _is_some(object), "write [function], for a single one too"),
    "Callable[[str, str], None]": _Row("a function", callable, "give a function of two texts"),
    "Callable[[], None]": _Row("a function", callable, "give a function without parameters"),
}
# fmt: on

_REMEDIES: Final = {
    # of these parameters, whatever their annotation says
    "run": "give the id of a run: `run, made = engine.start(program)`",
    "source": "give the text of a program, or a pathlib.Path to its file",
    "store_url": 'give an address, such as f"sqlite:{path}"',
    "timeout_us": "give microseconds: 5_000_000 are 5 s",
}


def checked(function: Function, called: str = "") -> Function:
    """Let a function refuse arguments that are not what its annotations say: UsageError FM1333."""
    code, name_of_it = function.__code__, called or function.__name__
    annotations = {name: function.__annotations__.get(name, "") for name in code.co_varnames}
    asked = {name: said for name, said in annotations.items() if said.removesuffix(_NONE) in _ROWS}
    by_place = code.co_varnames[: code.co_argcount]

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        for name, value in (*zip(by_place, arguments, strict=False), *named.items()):
            if name in asked:
                check(name_of_it, name, value, asked[name])
        return function(*arguments, **named)

    return call  # type: ignore[return-value]  # it has the signature of what it stands over


def checked_methods(cls: Class) -> Class:
    """``checked`` for all public methods of a class, and for how one is made."""
    for name, found in list(vars(cls).items()):
        if name.startswith("_") and name != "__init__":
            continue
        if isinstance(found, classmethod):
            setattr(cls, name, classmethod(checked(found.__func__)))
        elif isinstance(found, FunctionType) and not hasattr(found, "__isabstractmethod__"):
            setattr(cls, name, checked(found, cls.__name__ if name == "__init__" else name))
    return cls


def check(function: str, name: str, value: object, annotation: str) -> None:
    """Raise UsageError FM1333 if a value is not what an annotation says."""
    row = _ROWS[annotation.removesuffix(_NONE)]
    if row.accepts(value) or (value is None and annotation.endswith(_NONE)):
        return
    or_none = " or None" if annotation.endswith(_NONE) else ""
    raise UsageError(
        "FM1333",
        f"`{function}` takes {row.noun}{or_none} as `{name}`, and got {_described(value)}",
        hint=_REMEDIES.get(name, row.remedy),
    )


def _described(value: object) -> str:
    said = f"a value of the Python type {type(value).__name__}"
    if type(value) not in (list, tuple, set, frozenset):
        return said
    assert isinstance(value, Iterable)
    types = sorted({type(each).__name__ for each in value})
    return f"{said} of {', '.join(types[:3]) or 'nothing'}"
