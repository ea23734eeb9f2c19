"""For any program: formatting keeps its forms and comments, and formatting again changes nothing."""

from __future__ import annotations

import os
import random
import re
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flowmetal.errors import ReadError
from flowmetal.reader import ReadOptions, read_all
from flowmetal.source import Source
from flowmetal.tools.formatting import format_source
from flowmetal.tools.formatting.pieces import COMMENT, pieces_of
from flowmetal.tools.sources import find_beside
from flowmetal.values import pr_str

ROOT = Path(__file__).parents[3]
FILES = sorted(
    path
    for folder in ("flowmetal", "examples", "tests")
    for path in (ROOT / folder).rglob("*.flow")
    if not path.is_relative_to(ROOT / "tests" / "golden")
)

MIXTURES = 2 if os.environ.get("FLOWMETAL_EVERYTHING") else 1

_atoms = st.sampled_from(
    ["a", "defn", "let", "if", "when", "->", "comment", "with-x", "a/b", ":k", "::k", "1", "2r101", "1_000", "\\a"]
    + ["\\;", '"s"', '"two\n  lines;, "', '#"r\\("', "##Inf", "nil", "&", "%", "x#", "+", "letfn", "cond", "a'"]
)  # fmt: skip
_gaps = st.sampled_from(
    ["", " ", " ", " ", "  ", "     ", "\t", ",", " , ", ",,", "\n", "\n  ", "\n\n\n", " \n", " ; c\n", "\n;;; d  \n"]
    + ["#_", " #_ ", " #!x\n", "\n,", ",\n"]
)  # fmt: skip
_prefixes = st.sampled_from(
    ["'", "`", "~", "~@", "@", "#'", "^", "#^", "#_", "#_#_", "#x ", "#x/y", "#?", "#?@", "#:a", "~ "]
)  # fmt: skip


def _inside(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    parts = st.lists(st.tuples(_gaps, inner), max_size=6).map(
        lambda pairs: "".join(gap + form for gap, form in pairs)
    )
    brackets = st.sampled_from([("(", ")"), ("[", "]"), ("{", "}"), ("#{", "}"), ("#(", ")")])
    bracketed = st.builds(lambda b, body, gap: b[0] + body + gap + b[1], brackets, parts, _gaps)
    prefixed = st.builds(lambda prefix, gap, form: prefix + gap + form, _prefixes, _gaps, inner)
    return bracketed | bracketed | prefixed


programs = st.recursive(_atoms, _inside, max_leaves=25)


def forms_of(text: str) -> list[str]:
    """Return the forms of a text, printed with their metadata and without marks made from the text."""
    options = ReadOptions(resolve_alias=lambda alias: alias or "user")
    return [
        re.sub("__[0-9a-f]{8}_", "__mark_", pr_str(form) + pr_str(getattr(form, "meta", None)))
        for form in read_all(Source("a.flow", text), options)
    ]


def comments_of(text: str) -> list[str]:
    return [piece.text for piece in pieces_of(text) if piece.kind == COMMENT]


def check(text: str) -> None:
    made = format_source(Source("a.flow", text))
    if made != text:  # or there is nothing to compare: most sources are formatted
        assert forms_of(made) == forms_of(text)
        assert comments_of(made) == comments_of(text)
        assert format_source(Source("a.flow", made)) == made
    outside = "\n".join(line for line in made.split("\n") if '"' not in line)
    assert "\t" not in outside
    assert not made.startswith("\n")
    assert not made.endswith("\n\n")


@given(programs)
@example("(a #_ \n ; c\n b\n c)")
@example("{:a     1 :b  2\n :c     3}")
@example("~ @x")
@example("#_ ^a b c")
@example("^a #_ b\n\n\n c")
@settings(max_examples=200, deadline=None)
def test_any_program_keeps_its_forms_and_stays_formatted(text: str) -> None:
    try:
        forms_of(text)
    except ReadError:
        with pytest.raises(ReadError):
            format_source(Source("a.flow", text))
        return
    check(text)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_source_of_this_project_survives(path: Path) -> None:
    check(path.read_text("utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_source_of_this_project_is_formatted(path: Path) -> None:
    text = path.read_text("utf-8")
    find = partial(find_beside, str(path))
    assert format_source(Source(path.name, text), find) == text, "run `make format`"


@pytest.mark.parametrize("seed", range(MIXTURES))
@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_source_survives_with_its_white_space_mixed_up(path: Path, seed: int) -> None:
    mixed = random.Random(seed)
    text = path.read_text("utf-8")
    out, end = [], 0
    for piece in pieces_of(text):
        start = text.index(piece.text, end)
        out += [text[end:start], piece.text]
        end = start + len(piece.text)
        if piece.kind == COMMENT:
            out.append("\n" * mixed.randrange(1, 3))
        elif piece.kind[-5:] not in ("QUOTE", "OPEN") and mixed.random() < 0.2:
            out.append(mixed.choice(["\n", "   ", "\n\n\n", ",", " ; more\n", "\t"]))
    made = "".join(out) + text[end:]
    check(made)


def test_mistakes_are_those_of_the_reader() -> None:
    with pytest.raises(ReadError) as caught:
        format_source(Source("a.flow", "(a [b)"))
    assert caught.value.code == "FM0010"
