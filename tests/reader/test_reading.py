"""The ways to read, and what bytes a file may have."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from flowmetal.errors import Incomplete, ReadError, UsageError
from flowmetal.reader import (
    ReadOptions,
    decode_source,
    read_all,
    read_all_with_spans,
    read_forms,
    read_forms_from,
    read_string,
)
from flowmetal.source import Source, Span
from flowmetal.values import Value, keyword, pr_str, symbol


def test_an_empty_text_has_no_forms() -> None:
    assert read_all(Source("t", " ; nothing\n#_x ,")) == []


def test_read_string_returns_the_first_form() -> None:
    assert read_string(" 1 2") == 1


@pytest.mark.parametrize("text", ["", " ; c", "#_1", "#?(:clj 1)"])
def test_read_string_of_no_form_is_incomplete(text: str) -> None:
    with pytest.raises(Incomplete) as caught:
        read_string(text)
    assert caught.value.code == "FM0016"


def test_forms_are_read_when_they_are_asked_for() -> None:
    aliases: dict[str | None, str] = {None: "user"}
    forms = read_forms(
        Source("t", "(ns shop) ::a ::h/b"),
        ReadOptions(resolve_alias=lambda alias: aliases.get(alias)),
    )
    next(forms)
    aliases |= {None: "shop", "h": "flow.http"}
    assert [form for form, _ in forms] == [keyword("shop/a"), keyword("flow.http/b")]


def test_a_symbol_in_a_template_is_resolved_when_its_form_is_asked_for() -> None:
    options = ReadOptions()
    forms = read_forms(Source("t", "(ns shop) `a"), options)
    next(forms)
    options.resolve_symbol = lambda name: symbol(f"shop/{name.name}")
    assert pr_str(next(forms).form) == "(quote shop/a)"


def test_a_mistake_in_a_later_form_is_raised_at_its_turn_with_those_after_it() -> None:
    forms = read_forms(Source("t", "1 2ab ::unknown/alias 3ab"))
    assert next(forms) == (1, Span("t", 1, 1, 1, 2))
    with pytest.raises(ReadError) as caught:
        next(forms)
    assert [found.message for found in caught.value.diagnostics] == [
        "`2ab` is not a number",
        "`3ab` is not a number",
    ]


def test_brackets_are_complained_about_before_the_first_form() -> None:
    with pytest.raises(ReadError) as caught:
        next(read_forms(Source("t", "1 ::unknown/alias 3ab )")))
    assert [found.code for found in caught.value.diagnostics] == ["FM0020", "FM0002"]


def test_forms_are_read_from_a_place_on() -> None:
    source = Source("x.flow", "(a)\n(b) (c\n d) ::e")
    options = ReadOptions(resolve_alias=lambda alias: "here")
    found = [(pr_str(form), str(span)) for form, span in read_forms_from(source, options, 2, 4)]
    assert found == [("(c d)", "x.flow:2:5"), (":here/e", "x.flow:3:5")]
    assert [pr_str(form) for form, _ in read_forms_from(source, ReadOptions(), 2, 1)] == [
        *("(b)", "(c d)", ":user/e")
    ]
    assert list(read_forms_from(source, ReadOptions(), 3, 8)) == []


def test_brackets_of_a_text_that_is_read_from_a_place_on_match_as_a_whole() -> None:
    with pytest.raises(ReadError) as caught:
        next(read_forms_from(Source("x.flow", "(a)\n(b"), ReadOptions(), 1, 1))
    assert (caught.value.code, str(caught.value.diagnostics[0].span)) == ("FM0011", "x.flow:2:1")


def test_threads_may_read_at_once() -> None:
    text = "(defn f [x] {:a #{1 2} :b 'c})\n" * 200
    expected = pr_str(read_all(Source("t", text))[0])
    results: list[list[Value]] = []
    threads = [
        threading.Thread(target=lambda: results.append(read_all(Source("t", text))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(forms) for forms in results] == [200] * 4
    assert {pr_str(form) for forms in results for form in forms} == {expected}


DEEP = 5_000
# fmt: off
NESTED = [
    "(" * 30_000 + ")" * 30_000,
    "[" * DEEP + "]" * DEEP,
    "{:a " * DEEP + "1" + "}" * DEEP,
    "#{" * DEEP + "}" * DEEP,
    "'" * DEEP + "x",
    "#tag " * DEEP + "1",
    "`" + "(" * DEEP + ")" * DEEP,
]
# fmt: on


@pytest.mark.parametrize("text", NESTED, ids=lambda text: text[:5])
def test_nesting_has_no_limit(text: str) -> None:
    form = read_string(text)
    assert len(pr_str(form)) >= DEEP


@pytest.mark.parametrize(
    "text", ["#_" * DEEP + "x " * (DEEP + 1), "(#_ " * DEEP + "1" + ")" * DEEP]
)
def test_nesting_of_what_is_not_kept_has_no_limit_either(text: str) -> None:
    assert len(read_all_with_spans(Source("t", text))) == 1


def test_the_grammar_works_without_docstrings_and_writes_no_files(tmp_path: object) -> None:
    script = (
        "import os; from flowmetal.reader import read_string; from flowmetal.values import pr_str;"
        "print(pr_str(read_string('(f \\'x)')), os.listdir())"
    )
    command = [sys.executable, "-OO", "-c", script]
    ran = subprocess.run(
        command, cwd=str(tmp_path), env={"PYTHONPATH": _root()}, capture_output=True, text=True
    )
    assert (ran.stdout, ran.stderr) == ("(f (quote x)) []\n", "")


def test_importing_the_reader_builds_no_tables() -> None:
    script = (
        "import flowmetal.reader.grammar as g, flowmetal.reader.tokens as t;"
        "print(g._parser._built, t._lexer._built)"
    )
    command = [sys.executable, "-c", script]
    ran = subprocess.run(command, env={"PYTHONPATH": _root()}, capture_output=True, text=True)
    assert ran.stdout == "[] []\n"


def _root() -> str:
    import flowmetal

    assert flowmetal.__file__ is not None
    return flowmetal.__file__.removesuffix("/flowmetal/__init__.py")


def test_a_byte_order_mark_and_line_ends_of_windows_are_taken_off() -> None:
    source = decode_source("t", b'\xef\xbb\xbf"a\r\nb"\r\n1')
    assert source == Source("t", '"a\nb"\n1')
    assert read_all(Source("t", "\ufeff1")) == [1]


def test_bytes_that_are_not_utf8_are_refused_with_their_place() -> None:
    with pytest.raises(UsageError) as caught:
        decode_source("t.flow", b"(def a\r\n \xc3\xa9 \xff)")
    assert caught.value.code == "FM1304"
    assert "0xff at offset 12 (line 2)" in caught.value.message
    assert caught.value.diagnostics[0].span == Span("t.flow", 2, 4, 2, 5)


def test_a_cut_off_character_at_the_end_is_refused() -> None:
    with pytest.raises(UsageError, match="offset 6"):
        decode_source("t", b"\xef\xbb\xbfabc\xe2\x82")
