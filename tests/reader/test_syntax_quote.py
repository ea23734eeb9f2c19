"""Templates become forms that build what the template shows."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from flowmetal.errors import ReadError
from flowmetal.reader import ReadOptions, read_all, read_string
from flowmetal.source import Source
from flowmetal.values import (
    List,
    Map,
    Symbol,
    Value,
    Vector,
    hash_map,
    list_of,
    pr_str,
    set_of,
    symbol,
    vector,
)


def options() -> ReadOptions:
    """Resolve unqualified names into the namespace m, but for special forms, as a compiler does."""
    special = {"if", "do", "quote", "var", "fn*", "&", "let*"}

    def resolve(name: Symbol) -> Symbol:
        return name if name.ns or name.name in special else Symbol("m", name.name, None, name.span)

    return ReadOptions(resolve_symbol=resolve)


def build(form: Value, names: dict[str, Value]) -> Value:
    """Evaluate an expansion, which calls nothing but the constructors."""
    if isinstance(form, Symbol):
        return names[form.text]
    if isinstance(form, Vector):
        return vector(build(item, names) for item in form)
    if not isinstance(form, List):
        return form
    operator = form.first.text
    if operator == "quote":
        return form.rest.first
    if operator == "flow.core/apply":
        return _CONSTRUCTORS[form.rest.first.text](list(build(form.rest.rest.first, names)))
    return _CONSTRUCTORS[operator]([build(item, names) for item in form.rest])


def _pairs(items: Sequence[Value]) -> Map:
    return hash_map(zip(items[::2], items[1::2], strict=True))


_CONSTRUCTORS = {
    "flow.core/list": list_of,
    "flow.core/vector": vector,
    "flow.core/hash-map": _pairs,
    "flow.core/hash-set": set_of,
    "flow.core/seq": lambda items: list_of(items[0]) if items[0] else None,
    "flow.core/concat": lambda items: [x for item in items if item is not None for x in item],
    "flow.core/with-meta": lambda items: items[0].with_meta(items[1]),
}
NAMES = {"x": 1, "xs": list_of([2, 3]), "none": None, "y": symbol("y")}


def expanded(text: str) -> str:
    return pr_str(build(read_all(Source("t", text), options())[0], NAMES))


# fmt: off
TEMPLATES = [
    ("`a",                      "m/a"),
    ("`a/b",                    "a/b"),
    ("`if",                     "if"),
    ("`:k",                     ":k"),
    ("`[1 \"s\" \\c nil true]", '[1 "s" \\c nil true]'),
    ("`~x",                     "1"),
    ("`(if ~x (do ~@xs))",      "(if 1 (do 2 3))"),
    ("`(a ~@xs b ~x ~@xs)",     "(m/a 2 3 m/b 1 2 3)"),
    ("`(~@none)",               "nil"),
    ("`(a ~@none)",             "(m/a)"),
    ("`()",                     "()"),
    ("`[a ~x ~@xs]",            "[m/a 1 2 3]"),
    ("`[]",                     "[]"),
    ("`{:a ~x b {}}",           "{:a 1, m/b {}}"),
    ("`#{~x a}",                "#{1 m/a}"),
    ("`#{~@xs}",                "#{2 3}"),
    ("`'a",                     "(quote m/a)"),
    ("`@a",                     "(flow.core/deref m/a)"),
    ("`#'a",                    "(var m/a)"),
    ("`.m",                     ".m"),
    ("`C.",                     "m.C."),
    ("`#\"re\"",                '#"re"'),
    ("`(a `(b ~~x))",           "(m/a (flow.core/list (quote m/b) 1))"),
]
# fmt: on


@pytest.mark.parametrize(("text", "expected"), TEMPLATES)
def test_an_expansion_builds_what_its_template_shows(text: str, expected: str) -> None:
    assert expanded(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`(a ~x)", "(flow.core/list (quote m/a) x)"),
        (
            "`(a b ~@xs)",
            "(flow.core/seq (flow.core/concat (flow.core/list (quote m/a) (quote m/b)) xs))",
        ),
        (
            "`[~@xs]",
            "(flow.core/apply flow.core/vector (flow.core/seq (flow.core/concat xs)))",
        ),
    ],
)
def test_expansions_are_made_of_core_functions(text: str, expected: str) -> None:
    assert pr_str(read_all(Source("t", text), options())[0]) == expected


def test_a_nested_template_reaches_the_outer_level_with_two_unquotes() -> None:
    outer = build(read_all(Source("t", "`(`(~x ~~y))"), options())[0], NAMES)
    inner = build(outer.first, NAMES | {"m/x": 10, "y": 20})
    assert pr_str(inner) == "(10 20)"


def test_a_nested_splice_of_a_splice_spreads_twice() -> None:
    names = NAMES | {"ys": list_of([symbol("p"), symbol("q")])}
    outer = build(read_all(Source("t", "`(`(~@~@ys))"), options())[0], {**names})
    assert "p q" in pr_str(outer)


def test_one_fresh_name_stands_for_all_uses_in_a_template() -> None:
    first, second, third = read_string("`[a# a# b#]").rest
    assert first == second != third
    assert first.rest.first.name.startswith("a__")
    assert first.rest.first.name.endswith("__auto__")


def test_fresh_names_differ_between_templates() -> None:
    one, other = read_string("[`a# `a#]")
    assert one != other


def test_fresh_names_differ_between_forms_and_namespaces() -> None:
    def name(text: str, namespace: str) -> str:
        options = ReadOptions(resolve_alias=lambda alias: namespace)
        return pr_str(read_all(Source("t", text), options)[0])

    assert name("`a#", "x") != name("`a# ", "y")
    assert name("[`a#]", "x") != name("[`a# 1]", "x")[:-3] + "]"
    assert name("[`a# 1]", "x") == name("[ `a#,\n 1 ; one\n]", "x"), "layout makes no other names"


def test_fresh_names_are_the_same_wherever_and_whenever_a_form_is_read() -> None:
    alone = read_all(Source("t", "`[a# b#]"))[0]
    later = read_all(Source("elsewhere", "`c# #(f %)\n  `[a# b#]"))[2]
    assert alone == later


def test_an_unquoted_name_with_a_hash_is_itself() -> None:
    assert read_string("`~a#") == symbol("a#")


def test_arguments_of_function_literals_are_fresh_in_a_template() -> None:
    form = build(read_all(Source("t", "`#(f %)"), options())[0], NAMES)
    parameter = form.rest.first.nth(0)
    assert parameter.name.endswith("__auto__")
    assert form.rest.rest.first.rest.first == parameter


def test_metadata_of_a_template_is_built_too() -> None:
    built = build(read_all(Source("t", "`^{:a ~x} [1]"), options())[0], NAMES)
    assert (pr_str(built), pr_str(built.meta)) == ("[1]", "{:a 1}")
    named = build(read_all(Source("t", "`^T a"), options())[0], NAMES)
    assert (pr_str(named), pr_str(named.meta)) == ("m/a", "{:tag m/T}")


def test_parts_of_an_expansion_stand_where_their_templates_do() -> None:
    form = read_string("`(a\n  ~b)", path="t")
    assert [str(span) for span in form.item_spans] == ["t:1:2", "t:1:3", "t:2:4"]
    assert form.rest.first.rest.first.span.col == 3


@pytest.mark.parametrize("text", ["`~@x", "`~@~x"])
def test_a_splice_needs_a_collection_around_it(text: str) -> None:
    with pytest.raises(ReadError) as caught:
        read_string(text)
    assert caught.value.code == "FM0042"


def test_nesting_that_would_explode_is_refused() -> None:
    with pytest.raises(ReadError) as caught:
        read_string("`" * 40 + "x")
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["FM0047"]


def test_templates_and_unquotes_may_alternate_without_limit() -> None:
    read_string("`~" * 1_000 + "x")
