"""Each outside library has one home; whoever needs what it does asks there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import flowmetal

PACKAGE = Path(flowmetal.__file__).parent

# fmt: off
HOMES = {
    "ply":       ("reader/",),
    "msgpack":   ("values/codec", "snapshot/", "bytecode/", "embed/machine"),
    "sqlite3":   ("store/", "embed/doctor"),
    "psycopg":   ("store/",),
    "httpx2":    ("connectors/",),
    "re2":       ("stdlib/natives/", "values/"),
    "click":     ("cli/",),
    "cronsim":   ("stdlib/natives/schedules",),
    "wcwidth":   ("embed/rendering",),
    "starlette": ("server/",),
    "uvicorn":   ("server/",),
    "h11":       ("server/patience",),
    "prompt_toolkit": ("repl/",),
    "pygments":  ("repl/",),
}
# fmt: on


@cache
def imports() -> dict[str, set[str]]:
    """Return the top-level names of the modules that each file imports, anywhere in it."""
    return {str(path.relative_to(PACKAGE)): set(imports_of(path)) for path in PACKAGE.rglob("*.py")}


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("library", HOMES)
def test_a_library_is_imported_at_home_only(library: str) -> None:
    users = [user for user, used in imports().items() if library in used]
    assert [user for user in users if not user.startswith(HOMES[library])] == []


def test_nothing_pickles() -> None:
    picklers = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
    assert [user for user, used in imports().items() if picklers & used] == []
