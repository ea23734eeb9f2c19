from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import flowmetal.errors
from flowmetal.embed.explaining import all_codes
from flowmetal.errors import codes_lint
from tests.house.test_code_examples import PROGRAMS

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"FM\d{4}")

TABLES = [
    found.name
    for found in pkgutil.iter_modules(flowmetal.errors.__path__)
    if found.name.startswith("codes_")
]


def codes_in(folder: str, *suffixes: str, but: str = "") -> dict[str, set[str]]:
    """Return the codes that stand in files, each with the files."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / folder).rglob("*")):
        if path.suffix in suffixes and (not but or but not in str(path.relative_to(ROOT))):
            for code in CODE.findall(path.read_text("utf-8", "replace")):
                found.setdefault(code, set()).add(path.name)
    return found


def test_no_code_stands_in_two_rows() -> None:
    seen: dict[str, str] = {}
    for table in TABLES:
        for row in importlib.import_module(f"flowmetal.errors.{table}").CODES:
            assert row.code not in seen, f"{row.code} is in {table} and in {seen[row.code]}"
            seen[row.code] = table


@pytest.mark.parametrize("row", all_codes().values(), ids=lambda row: row.code)
def test_every_row_explains_itself(row) -> None:
    assert CODE.fullmatch(row.code)
    assert row.title
    assert not row.title.endswith(".")
    assert row.explanation.rstrip().endswith((".", "`", ")", '"')), row.explanation
    assert len(row.title) <= 80


def test_every_code_that_the_code_uses_has_a_row() -> None:
    used = codes_in("flowmetal", ".py", ".flow", but="errors/codes_")
    unknown = {code: sorted(files) for code, files in used.items() if code not in all_codes()}
    examples_in_docstrings = {"FM0102"} - all_codes().keys()
    assert not {c: f for c, f in unknown.items() if c not in examples_in_docstrings}


def test_every_row_is_used_by_the_code() -> None:
    used = codes_in("flowmetal", ".py", ".flow", but="errors/")
    assert sorted(all_codes().keys() - used.keys()) == []


def test_every_code_is_raised_in_a_test() -> None:
    tested = codes_in(
        "tests", ".py", ".flow", ".txt", ".expected", but="tests/house/test_error_codes"
    )
    examples = {row.code for row in PROGRAMS}
    lints = {row.code for row in codes_lint.CODES}  # tests/tools/linting runs every example
    assert sorted(all_codes().keys() - tested.keys() - examples - lints) == []
