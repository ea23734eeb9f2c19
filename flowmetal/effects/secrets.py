"""The variables that hold secrets. A connector puts such a text where a ``#secret`` stands; nobody else reads it."""

from __future__ import annotations

from typing import Final

SECRET_VARIABLE: Final = "FLOWMETAL_SECRET_"


def secret_in(variable: str) -> str | None:
    """Return how the secret in a variable is named in programs; None if it holds none."""
    if not variable.startswith(SECRET_VARIABLE):
        return None
    return variable.removeprefix(SECRET_VARIABLE).lower().replace("_", "-")
