"""Configuration: the ``:config`` of the project file, as whoever runs the interpreter has it.

```
{:paths ["src"]
 :config {:db {:url #env "DATABASE_URL"}       ; a variable that has to be there
          :port #env ["PORT" 8080]             ; or a default; the text is read as what the default is
          :stripe #secret "stripe-key"}}       ; stays a name, see secrets.py
```

The file is the one in ``$FLOWMETAL_CONFIG``, else the nearest ``flow.edn`` in or above the
working directory. It is read once for a run, as an effect, so its result is recorded: what a
run goes on with after a crash, or on another machine, is what it began with. Giving the file
is the operator's; each variable in it needs the grant of its name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from flowmetal.connectors.blocking import Blocking
from flowmetal.effects.errors import effect_error, refused
from flowmetal.effects.requests import Call, EffectFailed
from flowmetal.effects.secrets import secret_in
from flowmetal.errors import FlowmetalError
from flowmetal.reader import ReadOptions, decode_source, read_all
from flowmetal.source import Source
from flowmetal.values import (
    EMPTY_MAP,
    Keyword,
    List,
    Map,
    Set,
    Symbol,
    TaggedLiteral,
    Value,
    Vector,
    hash_map,
    is_number,
    keyword,
    list_of,
    pr_str,
    set_of,
    vector,
)

PROJECT_FILE: Final = "flow.edn"
VARIABLE: Final = "FLOWMETAL_CONFIG"

_CONFIG = keyword("config")
_DEEPEST: Final = 100


class ConfigConnector:
    """Reads the configuration of a run."""

    kinds = frozenset({"config/read"})

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._blocking = Blocking()

    async def perform(self, call: Call) -> Value:
        return await self._blocking.call(self._read, call)

    async def close(self) -> None:
        """Nothing is kept open."""

    def _read(self, call: Call) -> Value:
        path = self._path()
        if path is None:
            return EMPTY_MAP
        found = _config_in(path)
        return self._filled(call, str(path), found, 0)

    def _path(self) -> Path | None:
        given = self._environment.get(VARIABLE)
        if given:
            return Path(given)
        try:
            here = Path.cwd()
        except FileNotFoundError:
            raise _unreadable(PROJECT_FILE, "the interpreter's working folder is gone") from None
        files = (folder / PROJECT_FILE for folder in (here, *here.parents))
        return next((file for file in files if os.path.isfile(file)), None)

    def _filled(self, call: Call, path: str, value: Value, depth: int) -> Value:
        """Return the value with the variables that it names."""
        if depth > _DEEPEST:
            raise _unreadable(path, f"its :config is nested more than {_DEEPEST} deep")
        fill = partial(self._filled, call, path, depth=depth + 1)
        if isinstance(value, TaggedLiteral):
            if value.tag != Symbol(None, "env"):
                raise _unreadable(path, f"it has the unknown tag #{value.tag.text}")
            return self._variable(call, path, value.form, depth)
        if isinstance(value, Map):
            return hash_map((fill(k), fill(v)) for k, v in value.items())
        if isinstance(value, Vector):
            return vector(map(fill, value))
        if isinstance(value, Set):
            return set_of(map(fill, value))
        return list_of(map(fill, value)) if isinstance(value, List) else value

    def _variable(self, call: Call, path: str, form: Value, depth: int) -> Value:
        parts = list(form) if isinstance(form, Vector) else [form]
        name = parts[0] if parts else None
        if not isinstance(name, str) or not name or len(parts) > 2:
            raise _unreadable(
                path, '#env takes a name, or a name and a default: #env ["PORT" 8080]'
            )
        secret = secret_in(name)
        if secret is not None:
            raise _unreadable(
                path, f"the variable {name} holds a secret: write #secret {pr_str(secret)}"
            )
        if not call.grants.allows("env", name):
            why = f"{path} reads the variable {name}, which is not granted"
            raise EffectFailed(refused("env", name, f"--allow-env={name}", why))
        text = self._environment.get(name)
        if text is None:
            if len(parts) == 2:
                return self._filled(call, path, parts[1], depth + 1)
            raise EffectFailed(
                effect_error(
                    "FM0725",
                    "config/missing",
                    f"the variable {name}, which {path} needs, is not set",
                    {"variable": name},
                )
            )
        return _as_default(path, name, text, parts[1] if len(parts) == 2 else "")


def _config_in(path: Path) -> Value:
    """Return what the file has under :config. Raises EffectFailed."""
    try:
        source = decode_source(str(path), path.read_bytes())
        forms = read_all(source, ReadOptions(edn=True))
    except OSError as error:
        raise _unreadable(str(path), (error.strerror or str(error)).lower()) from None
    except FlowmetalError as error:
        raise _unreadable(str(path), str(error)) from None
    found = forms[0] if len(forms) == 1 else None
    if not isinstance(found, Map):
        raise _unreadable(str(path), "it is not one map")
    config = found.get(_CONFIG, EMPTY_MAP)
    if not isinstance(config, Map):
        raise _unreadable(str(path), "its :config is not a map")
    return config


def _as_default(path: str, name: str, text: str, default: Value) -> Value:
    """Return a variable's text as what its default is: text, a number, true or false, a keyword."""
    if isinstance(default, bool):
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise _unreadable(path, f"the variable {name} must be true or false")
    if is_number(default):
        number = _read(name, text)
        if is_number(number):
            return number
        raise _unreadable(path, f"the variable {name} must be a number")
    if isinstance(default, Keyword):
        found = _read(name, f":{text.removeprefix(':')}")
        if isinstance(found, Keyword):
            return found
        raise _unreadable(path, f"the variable {name} must be a keyword")
    return text


def _read(name: str, text: str) -> Value:
    """Return the one form that a variable's text is, nil if it is not one."""
    try:
        forms = read_all(Source(name, text), ReadOptions(edn=True))
    except FlowmetalError:
        return None
    return forms[0] if len(forms) == 1 else None


def _unreadable(path: str, why: str) -> EffectFailed:
    return EffectFailed(
        effect_error(
            "FM0724", "config/unreadable", f"the configuration in {path} is of no use: {why}", {}
        )
    )
