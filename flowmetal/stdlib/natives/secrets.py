"""References to secrets, made by name."""

from __future__ import annotations

from flowmetal.stdlib.natives.table import Table
from flowmetal.values import Keyword, Secret, Symbol, Value, show
from flowmetal.values.errors import type_error

native = Table("flow.secret")


@native("secret")
def secret(name: Value) -> Value:
    """Return the reference to the secret that a keyword, symbol or string names."""
    if isinstance(name, Secret):
        return name
    if isinstance(name, (Keyword, Symbol)):
        name = name.text
    if not isinstance(name, str) or not name:
        raise type_error("FM0310", f"`secret` needs a keyword or a string, got {show(name)}")
    return Secret(name)
