"""Every error code there is, collected from the tables ``errors/codes_*.py``."""

from __future__ import annotations

import importlib
import pkgutil

import flowmetal.errors
from flowmetal.errors import ErrorCode


def all_codes() -> dict[str, ErrorCode]:
    """Return the rows of all tables, in order of their codes."""
    rows: list[ErrorCode] = []
    for found in pkgutil.iter_modules(flowmetal.errors.__path__):
        if found.name.startswith("codes_"):
            rows += importlib.import_module(f"flowmetal.errors.{found.name}").CODES
    return {row.code: row for row in sorted(rows, key=lambda row: row.code)}
