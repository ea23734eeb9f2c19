"""Functions of the host that programs may call as effects.

Mark a Python function with ``foreign``, name the module with ``--python`` or
pass the function to ``Engine(functions=[...])``; a program declares it with
``defforeign`` and calls it:

```python
import flowmetal

@flowmetal.foreign("images/resize")
def resize(url: str, width: int) -> dict: ...
```

The function gets plain Python values (docs/json.md) and returns some. It may be
a coroutine function. What it raises becomes the error ``:connector/failed`` in
the program, which a policy may try again; ``flowmetal.EffectFailed.of`` says more. It may be called more than once
for one call of the program: a parameter ``idempotency_key`` gets what is the same every time.

Whatever it raises is an error of that call and ends no interpreter with all its runs, be it ``SystemExit``
of a parser of arguments or ``CancelledError`` of a loop of its own. Ctrl-C alone is meant for the process.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

from flowmetal.effects.errors import effect_error, no_data, said_by
from flowmetal.effects.functions import ForeignFunction
from flowmetal.effects.requests import EffectFailed
from flowmetal.errors import UsageError
from flowmetal.values import DataError, Keyword, Map, Value, keyword
from flowmetal.values.json_mapping import from_json, to_json
from flowmetal.values.names import reads_as_keyword

Function = TypeVar("Function", bound=Callable[..., Any])

_MARK = "__flowmetal_foreign__"
_KEY = "idempotency_key"
_ARGS = keyword("args")
_OPTIONS = ("timeout", "retry", "idempotency-key", "name", "at-most-once", "verify", "undo")


@dataclass(frozen=True, slots=True)
class _Mark:
    name: str
    slow: bool


def foreign(name: str, *, slow: bool = False) -> Callable[[Function], Function]:
    """Mark a function as the foreign function ``name`` ("namespace/name").

    ``slow``: it takes long enough to be performed beside other effects, in a thread.
    Raises UsageError FM1313 for a name that no program can declare, and for what cannot be marked.
    """
    if not isinstance(name, str) or not reads_as_keyword(name) or "/" not in name:
        raise UsageError(
            "FM1313",
            f"{name!r} cannot be the name of a foreign function",
            hint='write @flowmetal.foreign("namespace/name"), as `defforeign` declares it',
        )

    def mark(function: Function) -> Function:
        try:
            setattr(function, _MARK, _Mark(name, slow))
        except AttributeError:
            raise UsageError(
                "FM1313",
                f"{function!r} cannot be marked as a foreign function",
                hint="mark a function of yours that calls it",
            ) from None
        return function

    return mark


def functions_of(modules: Iterable[str]) -> list[Callable[..., Any]]:
    """Import modules (names or paths) and return their marked functions. Raises UsageError FM1313."""
    return [function for name in modules for function in _marked(_import(name), name)]


def as_foreign(function: Callable[..., Any]) -> ForeignFunction:
    """Return how the runtime sees a marked function."""
    mark = _mark_of(function)
    if mark is None:
        raise UsageError(
            "FM1313",
            f"{getattr(function, '__name__', function)!r} is not marked as a foreign function",
            hint='write @flowmetal.foreign("namespace/name") above it',
        )
    wants_key = _KEY in inspect.signature(function).parameters
    is_async = any(
        map(inspect.iscoroutinefunction, (function, getattr(function, "__call__", None)))  # noqa: B004
    )
    call = _async_caller(function, wants_key) if is_async else _caller(function, wants_key)
    return ForeignFunction(mark.name, call, is_async=is_async, slow=mark.slow)


def _mark_of(found: object) -> _Mark | None:
    """Return the mark of a function. Other things have none, whatever they answer when they are asked for one."""
    try:
        mark = getattr(found, _MARK, None)
    except Exception:  # such as what stands for a request that there is not
        return None
    return mark if isinstance(mark, _Mark) else None


def _marked(module: ModuleType, name: str) -> list[Callable[..., Any]]:
    found = [value for value in vars(module).values() if _mark_of(value) is not None]
    if not found:
        raise UsageError(
            "FM1313",
            f"the Python module {name} has no foreign function",
            hint='write @flowmetal.foreign("namespace/name") above one',
        )
    return found


def _import(name: str) -> ModuleType:
    try:
        if name.endswith(".py"):
            return _import_file(name)
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        return importlib.import_module(name)
    except Exception as error:  # whatever a stranger's module raises when it is imported
        raise UsageError(
            "FM1313",
            f"the Python module {name} cannot be loaded: {type(error).__name__}: {error}",
            hint=_remedy(name, error),
        ) from None


def _remedy(name: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError) or getattr(error, "name", None) == name:
        return "give the name of a module that this Python finds, or the path of a .py file"
    if isinstance(error, ModuleNotFoundError):
        return f"install {error.name} into the Python that Flowmetal runs in"
    return "it fails while Python imports it: import it alone to see where"


def _import_file(path: str) -> ModuleType:
    name = _name_for(path)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _name_for(path: str) -> str:
    """Return the name of a file as a module: its own, or its path if that is the name of another module. In
    the place of ``http``, say, it would be what everybody gets who imports that later."""
    name = os.path.splitext(os.path.basename(path))[0]
    whole = os.path.abspath(path)
    try:
        found = importlib.util.find_spec(name)
    except ImportError:
        return name
    except ValueError:  # there is one that nothing was found for, such as __main__
        return whole
    return name if found is None or found.origin == whole else whole


def _caller(function: Callable[..., Any], wants_key: bool) -> Callable[..., object]:
    def call(args: Map, key: str) -> Value:
        positional, named = _arguments(args)
        if wants_key:
            named[_KEY] = key
        try:
            return _answered(function, function(*positional, **named))
        except (EffectFailed, KeyboardInterrupt):
            raise
        except BaseException as error:  # the edge to strangers' code
            raise _failed(function, error) from error

    return call


def _async_caller(function: Callable[..., Any], wants_key: bool) -> Callable[..., object]:
    from asyncio import CancelledError  # most processes need no loop

    async def call(args: Map, key: str) -> Value:
        positional, named = _arguments(args)
        if wants_key:
            named[_KEY] = key
        try:
            return _answered(function, await function(*positional, **named))
        except (EffectFailed, KeyboardInterrupt, CancelledError):  # a cancellation may be ours
            raise
        except BaseException as error:  # as above
            raise _failed(function, error) from error

    return call


def _answered(function: Callable[..., Any], found: object) -> Value:
    """Return what a function returned as data. It has done its work: what is no data is final, and no policy lets it
    do that again, to return the same."""
    try:
        return from_json(found)
    except DataError as error:
        remedy = "".join(f"; {line}" for line in error.diagnostics[0].help)
        raise EffectFailed(no_data(getattr(function, _MARK).name, error.message + remedy)) from None


def _arguments(args: Map) -> tuple[list[Any], dict[str, Any]]:
    """Return positional arguments (``:args``), else those by name; options of effects are no arguments."""
    positional = args.get(_ARGS)
    if positional is not None:
        return [to_json(value) for value in positional], {}
    return [], {
        name.text.replace("-", "_"): to_json(value)
        for name, value in args.items()
        if isinstance(name, Keyword) and name.text not in _OPTIONS
    }


def _failed(function: Callable[..., Any], error: BaseException) -> EffectFailed:
    name, said = getattr(function, _MARK).name, said_by(error)
    return EffectFailed(
        effect_error(
            "FM0705",
            "connector/failed",
            f"{name} failed: {type(error).__name__}: {said}",
            {"kind": name, "exception": type(error).__name__, "message": said},
            retryable=True,  # it may pass, as far as anybody knows; a policy has to ask for that
        )
    )
