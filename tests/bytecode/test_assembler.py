"""Listings: what the disassembler writes, the assembler reads."""

from __future__ import annotations

import pytest

from flowmetal.bytecode.assembler import assemble
from flowmetal.bytecode.disassembler import disassemble
from flowmetal.errors import ProgramError
from flowmetal.reader import read_string
from flowmetal.source import Source
from tests.bytecode.samples import INNER, F, program


def test_a_listing_assembles_to_the_same_code() -> None:
    for function in (F, INNER):
        assert assemble(disassemble(function), read_string).hash == function.hash


def test_a_listing_shows_the_lines_of_the_source() -> None:
    text = disassemble(F, Source("user.flow", "\n\n(defn f [x & rest]\n  (if x ...))\n"))
    assert "    ; user.flow:3  (defn f [x & rest]\n    0   LOCAL 0           ; x\n" in text
    assert 'constant 1 "user/g"' in text


def test_a_program_lists_its_own_functions() -> None:
    text = disassemble(program())
    assert "function user/f\n" in text
    assert "; user/f/fn-1" in text


@pytest.mark.parametrize(
    "line",
    ["  0 NOTHING", "  0 LOCAL", "  0 POP 1", "  handler 1 2", "  body x of 1 locals", "LOCAL 0"],
)
def test_a_line_that_has_no_meaning_is_named(line: str) -> None:
    head = "" if line == "LOCAL 0" else "function user/f\n  body 0 of 1 locals\n"
    with pytest.raises(ProgramError, match="line") as caught:
        assemble(head + line, read_string)
    assert caught.value.code == "FM0814"
