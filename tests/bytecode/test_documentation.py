"""docs/instructions.md is what the table says, and every instruction is in it."""

from __future__ import annotations

from pathlib import Path

from flowmetal.bytecode.documentation import document, main
from flowmetal.bytecode.opcodes import BY_NUMBER, Op

PAGE = Path(__file__).parents[2] / "docs" / "instructions.md"


def test_the_page_is_up_to_date() -> None:
    assert main(["--check", str(PAGE)]) == 0


def test_every_instruction_is_documented() -> None:
    page = document()
    assert all(f"`{op.name}`" in page for op in Op)


def test_a_page_that_is_not_up_to_date_fails_the_check(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    assert main(["--check", str(page)]) == 1
    assert main([str(page)]) == 0
    assert main(["--check", str(page)]) == 0


def test_no_two_instructions_share_a_number() -> None:
    assert len(BY_NUMBER) == len(Op)
