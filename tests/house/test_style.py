from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import flowmetal

PACKAGE = Path(flowmetal.__file__).parent
ROOT = PACKAGE.parent
FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_what_it_is_the_place_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


def test_no_module_is_longer_than_one_idea() -> None:
    long = {p.name: n for p in FILES if (n := len(p.read_text("utf-8").splitlines())) > 650}
    assert not long


def test_nothing_waits_to_be_finished() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX|raise NotImplementedError)\b")
    assert [str(p) for p in FILES if words.search(p.read_text("utf-8"))] == []


def test_no_expected_output_shows_the_inside_of_python() -> None:
    inside = re.compile(r"Traceback|\.py\b|0x7f")
    golden = [
        p for p in (ROOT / "tests" / "golden").rglob("*") if p.suffix in {".txt", ".expected"}
    ]
    assert [str(p) for p in golden if inside.search(p.read_text("utf-8"))] == []


def test_links_in_the_documentation_lead_somewhere() -> None:
    link = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)")
    broken = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in [
            *ROOT.glob("*.md"),
            *(ROOT / "docs").rglob("*.md"),
            *(ROOT / "examples").rglob("*.md"),
        ]
        for target in link.findall(page.read_text("utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []
