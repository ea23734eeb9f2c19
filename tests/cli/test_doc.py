from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("map", "flow.core/map"),
        ("->", "flow.core/->"),
        ("/", "flow.core//"),
        ("str/join", "flow.string/join"),
        ("string/join", "flow.string/join"),
        ("clojure.string/join", "flow.string/join"),
        ("encode-url", "flow.base64/encode-url"),
        ("http/post!", "flow.http/post!"),
        ("flow.csv", "flow.csv"),
        ("if", "if"),
    ],
)
def test_a_name_is_found_as_people_write_it(shell, name: str, full: str) -> None:
    found = json.loads(shell("fmc", "doc", name, "--json").out)
    assert [one["name"] for one in found] == [full]
    assert found[0]["doc"]


def test_arguments_documentation_and_example_are_shown(shell) -> None:
    shown = shell("fmc", "doc", "url/encode")
    assert shown.status == 0
    assert shown.out.startswith("flow.url/encode\n  (encode x)\n\n  Escape a string")
    assert '\n\n  (url/encode "a b/c")  ;=> "a%20b%2Fc"\n' in shown.out
    assert shown.out.endswith("\n\n  See also: decode\n")


def test_a_name_that_several_namespaces_have_is_shown_for_each(shell) -> None:
    found = json.loads(shell("fmc", "doc", "union", "--json").out)
    assert [one["name"] for one in found] == ["flow.set/union"]
    parsers = {one["name"] for one in json.loads(shell("fmc", "doc", "parse", "--json").out)}
    assert {"flow.csv/parse", "flow.json/parse", "flow.url/parse"} <= parsers


def test_a_namespace_lists_its_names(shell) -> None:
    shown = shell("fmc", "doc", "csv")
    assert shown.out.startswith("flow.csv  (namespace)\n")
    assert "\n  parse  Return the rows of a CSV text as vectors of strings.\n" in shown.out
    assert "\n  write  " in shown.out


def test_namespaces_of_the_project_are_documented(shell) -> None:
    shell.write("src/shop/stock_list.flow", '(ns shop.stock-list "What is there.")\n(defn- hid [] 1)\n(defn count-of "Count things." [thing & more] (hid))\n')  # fmt: skip
    shown = shell("fmc", "doc", "shop.stock-list/count-of", "--path", "src")
    assert shown.out == "shop.stock-list/count-of\n  (count-of thing & more)\n\n  Count things.\n"
    shell.write("flow.edn", '{:paths ["src"]}')
    found = json.loads(shell("fmc", "doc", "shop.stock-list", "--json").out)
    assert found[0]["names"] == ["count-of"]
    assert found[0]["doc"] == "What is there."
    hidden = shell("fmc", "doc", "shop.stock-list/hid")
    assert hidden.status == 2


def test_a_namespace_that_does_not_compile_says_why(shell) -> None:
    shell.write("broken.flow", "(ns broken)\n(defn f [] (nope))\n")
    shown = shell("fmc", "doc", "broken/f")
    assert shown.status == 1
    assert "FM0102" in shown.err


@pytest.mark.parametrize(
    ("name", "offer"),
    [("str/jion", "str/join"), ("reduec", "reduce"), ("flow.strnig", "flow.string")],
)
def test_an_unknown_name_gets_the_nearest_one(shell, name: str, offer: str) -> None:
    shown = shell("fmc", "doc", name)
    assert shown.status == 2
    assert f"error[FM1319]: nothing is known of `{name}`" in shown.err
    assert f"`{offer}`" in shown.err


@pytest.mark.parametrize("name", ["", "a/", "/a", "../x", "a b", "(", "a/b/c", "\x1b[1m", "-need"])
def test_what_is_no_name_is_wrong_usage(shell, name: str) -> None:
    shown = shell("fmc", "doc", "--", name)
    assert shown.status == 2
    assert shown.out == ""
