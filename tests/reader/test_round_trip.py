"""What is printed reads back, and any text is forms or errors inside of it."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from flowmetal.errors import ReadError
from flowmetal.reader import ReadOptions, read_all, read_all_with_spans, read_string
from flowmetal.source import Source, Span
from flowmetal.values import (
    Duration,
    ErrorValue,
    Instant,
    RunRef,
    Secret,
    TaggedLiteral,
    Value,
    VarRef,
    char,
    equal,
    hash_map,
    keyword,
    list_of,
    pr_str,
    ratio,
    set_of,
    symbol,
    vector,
)

DATA = ReadOptions(edn=True)

_text = st.text(st.characters(exclude_categories=["Cs"]))
_word = st.from_regex(r"[a-zé*+!_?<>=-][a-z0-9é*+!_?<>='#.-]*", fullmatch=True).filter(
    lambda word: word not in ("nil", "true", "false") and not word[:2].strip("+-")[:1].isdigit()
)
_name = st.one_of(_word, st.tuples(_word, _word).map("/".join), st.just("/"))
_scalar: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(2**200), max_value=2**200),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False, allow_infinity=False, places=3),
    st.builds(ratio, st.integers(), st.integers(min_value=1)),
    _text,
    st.binary(),
    st.characters(exclude_categories=["Cs"]).map(char),
    _name.map(keyword),
    _name.map(symbol),
    st.uuids(),
    st.integers(min_value=-(2**55), max_value=2**55).map(Instant),
    st.integers(min_value=-(2**55), max_value=2**55).map(Duration),
    _text.map(Secret),
    _text.map(RunRef),
    st.tuples(_word, _word).map("/".join).map(VarRef),
)


def _collections(items: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    pairs = st.lists(st.tuples(items, items), max_size=6).map(hash_map)
    return st.one_of(
        st.lists(items).map(vector),
        st.lists(items).map(list_of),
        st.lists(items, max_size=6).map(set_of),
        pairs,
        st.builds(TaggedLiteral, _word.map("x.y/{}".format).map(symbol), items),
        st.builds(ErrorValue, _word.map(keyword), st.none() | _text, pairs),
    )


VALUES = st.recursive(_scalar, _collections, max_leaves=20)


@given(VALUES)
@example(Decimal("1E+5"))
@example("\x00\x7f\u2028\ufeff\r\n")
@example(char(","))
@example(vector([char("\\"), char('"'), char("\u200b")]))
def test_what_is_printed_reads_back(value: Value) -> None:
    assert equal(read_string(pr_str(value), DATA), value)


_FRAGMENTS = [
    "(", ")", "[", "]", "{", "}", "#{", "#(", "'", "`", "~", "~@", "@", "^", "#'", "#_", "#?(", "#?@(",
    "#:a", "#::", "#", '"', "\\", "\\a", ":a", "::b", ":flow", "a", "b#", "%", "%2", "1", "1/2", "12ab",
    "##Inf", "#inst", '"2020"', "#x", "\n", "\r\n", " ", ",", ";", "#!", "nil", "\n(", "\ufeff", "漢",
]  # fmt: skip


def _inside(span: Span, text: str) -> bool:
    lines = text.split("\n")
    for line, col in ((span.line, span.col), (span.end_line, span.end_col)):
        if not 1 <= line <= len(lines) or not 1 <= col <= len(lines[line - 1]) + 1:
            return False
    return (span.line, span.col) <= (span.end_line, span.end_col)


def _reads_or_complains(text: str, options: ReadOptions) -> None:
    spans: list[Span | None] = []
    try:
        spans += [form.span for form in read_all_with_spans(Source("t", text), options)]
    except ReadError as error:
        found = error.diagnostics
        spans += [diagnostic.span for diagnostic in found]
        spans += [label.span for diagnostic in found for label in diagnostic.labels]
        spans += [None] * (len(found) > 10)
    assert all(span is not None and _inside(span, text) for span in spans)


@settings(max_examples=200)
@given(st.lists(st.sampled_from(_FRAGMENTS)).map("".join), st.booleans())
def test_any_text_gives_forms_or_errors_inside_of_it(text: str, edn: bool) -> None:
    _reads_or_complains(text, ReadOptions(edn=edn))


@given(st.text())
def test_any_characters_give_forms_or_errors_inside_of_them(text: str) -> None:
    _reads_or_complains(text, ReadOptions())


@given(VALUES, st.data())
def test_a_text_that_was_cut_off_gives_forms_or_errors_inside_of_it(
    value: Value, data: st.DataObject
) -> None:
    text = pr_str(value)
    _reads_or_complains(text[: data.draw(st.integers(0, len(text)))], ReadOptions())


@given(st.lists(st.sampled_from(_FRAGMENTS)).map(" ".join))
def test_reading_what_was_read_and_printed_gives_the_same(text: str) -> None:
    try:
        forms = read_all(Source("t", text))
    except ReadError:
        return
    again = read_all(Source("t", " ".join(map(pr_str, forms))))
    assert list(map(pr_str, again)) == list(map(pr_str, forms))
