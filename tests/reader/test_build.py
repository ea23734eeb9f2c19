"""Nodes become values: collections, prefixes, conditionals, places."""

from __future__ import annotations

import pytest

from flowmetal.errors import ReadError
from flowmetal.reader import ReadOptions, read_all, read_all_with_spans, read_string
from flowmetal.source import Source, Span
from flowmetal.values import Keyword, Symbol, Value, VarRef, keyword, pr_str, symbol


def shown(text: str, options: ReadOptions | None = None) -> str:
    return " ".join(pr_str(form) for form in read_all(Source("t.flow", text), options))


def codes(text: str, options: ReadOptions | None = None) -> list[str]:
    with pytest.raises(ReadError) as caught:
        read_all(Source("t.flow", text), options)
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


# fmt: off
FORMS = [
    ("(a [b {c d} #{e}])", "(a [b {c d} #{e}])"),
    ("1, 2;x\n 3 #! y\n", "1 2 3"),
    ("#!/usr/bin/env fmvm run\n1", "1"),
    ("'a @b #'c", "(quote a) (flow.core/deref b) (var c)"),
    ("~a ~@b", "(flow.core/unquote a) (flow.core/unquote-splicing b)"),
    ("' a", "(quote a)"),
    ("'#_x a", "(quote a)"),
    ("(a #_b c #_#_d e #_ f)", "(a c)"),
    ("#_ #_ #_ a b c d", "d"),
    ("#_12ab #_#foo bar 1", "1"),
    ("[#_#?(:clj 1) 2]", "[2]"),
    ("#(f)", "(fn* [] (f))"),
    ("#:a{:b 1 :_/c 2 :d/e 3 f 4 \"g\" 5}", '{:a/b 1, :c 2, :d/e 3, a/f 4, "g" 5}'),
    ("#:a {:b 1}", "{:a/b 1}"),
    ("::a #::{:b 1}", ":user/a {:user/b 1}"),
]
# fmt: on


@pytest.mark.parametrize(("text", "expected"), FORMS)
def test_forms_read_as_expected(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_arguments_of_a_function_literal_become_parameters() -> None:
    literal = read_string("#(f % %3 %1 %& [%])")
    mark = literal.rest.first.nth(0).name.removeprefix("p1__").removesuffix("#")
    expected = "(fn* [p1__M# p2__M# p3__M# & rest__M#] (f p1__M# p3__M# p1__M# rest__M# [p1__M#]))"
    assert pr_str(literal) == expected.replace("M", mark)


def test_percent_signs_outside_of_a_function_literal_are_symbols() -> None:
    assert shown("% %x") == "% %x"


@pytest.mark.parametrize("text", ["%0", "%21", "%x", "%1.5", "%%", "%-1"])
def test_other_percent_names_in_a_function_literal_are_errors(text: str) -> None:
    assert codes(f"#(f {text})") == ["FM0041"]


def test_function_literals_do_not_nest() -> None:
    assert codes("#(f #(g %))") == ["FM0040"]


def test_discarded_arguments_are_not_parameters() -> None:
    assert shown("#(f #_%5 #?(:clj %4))").startswith("(fn* [] ")


# fmt: off
CONDITIONALS = [
    ("#?(:clj 1 :flow 2 :default 3)", "2"),
    ("#?(:clj 1 :default 3 :flow 2)", "3"),
    ("[#?(:clj 1)]", "[]"),
    ("#?(:clj 1)", ""),
    ("#?()", ""),
    ("[1 #?@(:flow [2 3]) 4]", "[1 2 3 4]"),
    ("{#?@(:flow [:a 1])}", "{:a 1}"),
    ("(#?@(:flow (a b)))", "(a b)"),
    ("[#?@(:clj [1])]", "[]"),
    ("[#?@(:flow #?(:flow [1]))]", "[1]"),
    ("[#?(:flow #?(:clj 1 :default 2))]", "[2]"),
    ("[#?@(:flow [#?@(:flow [1 #_2])])]", "[1]"),
    ("#?(:clj #js {:a} :cljs ::nowhere/x :flow 1)", "1"),
    ("#?(:clj #=(x) :flow 1)", "1"),
    ("'#?(:flow a)", "(quote a)"),
    ("#?(#_:clj #_1 :flow 2)", "2"),
]
# fmt: on


@pytest.mark.parametrize(("text", "expected"), CONDITIONALS)
def test_reader_conditionals_choose_by_feature(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_features_can_be_chosen() -> None:
    assert shown("#?(:flow 1 :clj 2)", ReadOptions(features=frozenset({"clj"}))) == "2"


# fmt: off
MISTAKES = [
    ("#?[]", "FM0043"), ("#?(1 2)", "FM0043"), ("#?(:flow)", "FM0043"), ("#?(:flow 1 :clj)", "FM0043"),
    ("#?x", "FM0043"), ("#?@(:flow [1])", "FM0044"), ("'#?@(:flow [1])", "FM0044"),
    ("[#?@(:flow 1)]", "FM0044"), ("[#?@(:flow {:a 1})]", "FM0044"), ("'#?(:clj 1) 2", "FM0045"),
    ("^#?(:clj a) x", "FM0045"), ("{:a 1 :b}", "FM0031"), ("{:a 1 :a 2}", "FM0032"),
    ("{[1] 1 (1) 2}", "FM0032"), ("#{a b a}", "FM0033"), ("#:a{:b 1 :a/b 2}", "FM0032"),
    ("#:a [1]", "FM0034"), ("#:a/b{:c 1}", "FM0034"), ("#: {:c 1}", "FM0025"), ("#::x{:c 1}", "FM0026"),
    ("^:a 1", "FM0035"), ("^1 a", "FM0035"), ("#'1", "FM0035"), ("^", "FM0014"), ("(')", "FM0014"),
    ("#_\\", "FM0001"), ("#_#_ 1 \x08", "FM0001"), ("[1 #_(a \x00)]", "FM0001"),
    ("(^)", "FM0014"), ("[^:a]", "FM0014"), ("{#_}", "FM0014"), ("(#_ #_ a)", "FM0014"),
    ("(#foo)", "FM0014"), ("(#?)", "FM0014"), ("(#:a)", "FM0014"),
]
# fmt: on


@pytest.mark.parametrize(("text", "code"), MISTAKES)
def test_one_mistake_is_one_error(text: str, code: str) -> None:
    assert codes(text) == [code]


@pytest.mark.parametrize("text", ["{1 a 1.0 b}", "{1 a true b}", "#{0 false 0.0}", '#{\\a "a"}'])
def test_values_that_python_would_confuse_are_distinct_keys(text: str) -> None:
    read_string(text)


def test_a_repeated_key_points_at_both() -> None:
    with pytest.raises(ReadError) as caught:
        read_string("{:a 1\n :a 2}")
    labels = caught.value.diagnostics[0].labels
    assert [(label.span.line, label.span.col, label.primary) for label in labels] == [
        (2, 2, True),
        (1, 2, False),
    ]


def test_all_mistakes_are_reported_in_order_up_to_ten() -> None:
    assert codes("[12ab \\foo]\n{:a}\n'") == ["FM0020", "FM0024", "FM0031", "FM0014"]
    assert len(codes("1a " * 50)) == 10
    assert len(codes("[" + "1a " * 50 + "]")) == 10


def meta_of(text: str) -> str:
    return pr_str(read_string(text).meta)


# fmt: off
METADATA = [
    ("^:a x", "{:a true}"), ("^{:a 1} x", "{:a 1}"), ("^T x", "{:tag T}"), ('^"T" x', '{:tag "T"}'),
    ("^[a b] x", "{:param-tags [a b]}"), ("^:a ^:b x", "{:b true, :a true}"),
    ("^{:a 1} ^{:a 2} x", "{:a 1}"), ("#^:a x", "{:a true}"), ("^:a [1]", "{:a true}"),
    ("^:a {}", "{:a true}"), ("^:a #{}", "{:a true}"), ("^:a ()", "{:a true}"), ("^:a 'x", "{:a true}"),
]
# fmt: on


@pytest.mark.parametrize(("text", "expected"), METADATA)
def test_metadata_is_kept(text: str, expected: str) -> None:
    assert meta_of(text) == expected


def test_an_alias_is_asked_for_when_its_form_is_built() -> None:
    options = ReadOptions(resolve_alias={None: "shop", "h": "flow.http"}.get)
    assert shown("::a ::h/b #::h{:c 1}", options) == ":shop/a :flow.http/b {:flow.http/c 1}"


def test_tags_are_read_by_the_function_passed_in() -> None:
    options = ReadOptions(tag_reader=lambda tag: sum if tag == symbol("sum") else None)
    assert shown("#sum [1 2 3] #prod [1]", options) == "6 #prod [1]"


def test_a_tag_function_that_refuses_is_an_error_at_the_form() -> None:
    def refuse(form: Value) -> Value:
        raise ValueError("no such order")

    with pytest.raises(ReadError, match="no such order") as caught:
        read_all(Source("t", "\n#order 12"), ReadOptions(tag_reader=lambda tag: refuse))
    assert caught.value.diagnostics[0].span == Span("t", 2, 8, 2, 10)


def test_data_mode_reads_data_only() -> None:
    data = ReadOptions(edn=True)
    assert read_string('#{[1 a/b] {:k #inst "2020"}}', data)
    assert read_string("#'a/b", data) == VarRef("a/b")
    assert read_string("|-", data) == symbol("|-")
    for text in ("'x", "`x", "~x", "~@x", "@x", "#(x)", "#?(:flow 1)", "[#?@(:flow [])]", "::a"):
        assert codes(text, data) == ["FM0046"], text
    assert codes("#::{:a 1}", data) == ["FM0046"]


def test_every_form_knows_its_place() -> None:
    text = '(ab [c\n {:d 1}]\n \'e "f\ng")'
    form = read_string(text, path="t")
    assert form.span == Span("t", 1, 1, 4, 4)
    assert form.item_spans == (
        Span("t", 1, 2, 1, 4),
        Span("t", 1, 5, 2, 9),
        Span("t", 3, 2, 3, 4),
        Span("t", 3, 5, 4, 3),
    )
    vector = form.rest.first
    assert vector.item_spans[1] == Span("t", 2, 2, 2, 8)
    assert [str(span) for span in vector.nth(1).item_spans] == ["t:2:3", "t:2:6"]
    assert vector.nth(0).span == Span("t", 1, 6, 1, 7)
    quoted = form.rest.rest.first
    assert quoted.item_spans == (Span("t", 3, 2, 3, 3), Span("t", 3, 3, 3, 4))


def test_top_level_atoms_come_with_their_places() -> None:
    forms = read_all_with_spans(Source("t", "1\n  :a"))
    assert forms == [(1, Span("t", 1, 1, 1, 2)), (keyword("a"), Span("t", 2, 3, 2, 5))]


def test_a_form_with_metadata_is_placed_where_the_form_is() -> None:
    form = read_string("(^:a b)")
    assert form.item_spans[0] == form.first.span == Span("<string>", 1, 6, 1, 7)


def test_columns_count_code_points_and_line_ends_of_windows_do_not() -> None:
    forms = read_all_with_spans(Source("t", '"漢😀" a\r\n b\r\n'))
    assert [(span.line, span.col) for _, span in forms] == [(1, 1), (1, 6), (2, 2)]


def test_spliced_forms_keep_their_own_places() -> None:
    form = read_string("[1 #?@(:flow [2 3])]")
    assert [span.col for span in form.item_spans] == [2, 15, 17]


def test_places_have_no_part_in_equality() -> None:
    assert read_string("(a [b])") == read_string("(a\n  [b])")
    assert isinstance(read_string("a"), Symbol)
    assert isinstance(read_string(":a"), Keyword)
