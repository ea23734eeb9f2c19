from __future__ import annotations

import re
from pathlib import Path

from flowmetal.bytecode.opcodes import BY_NUMBER, Op

ROOT = Path(__file__).parents[2]


def words_in(folder: str) -> set[str]:
    """Return the words that stand in the Python files of a folder."""
    texts = (path.read_text("utf-8") for path in (ROOT / folder).rglob("*.py"))
    return {word for text in texts for word in re.findall(r"\w+", text)}


def test_every_opcode_has_a_handler_in_the_machine() -> None:
    known = words_in("flowmetal/vm")
    assert [op.name for op in Op if op.name not in known] == []


def test_every_opcode_has_a_row_in_the_documentation() -> None:
    page = (ROOT / "docs" / "instructions.md").read_text("utf-8")
    assert [op.name for op in Op if f"`{op.name}`" not in page] == []


def test_every_opcode_stands_in_a_test() -> None:
    tested = words_in("tests")
    assert [op.name for op in Op if op.name not in tested] == []


def test_no_two_opcodes_have_one_number() -> None:
    assert len(BY_NUMBER) == len(Op)
