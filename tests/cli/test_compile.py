from __future__ import annotations

import json
import os

import pytest

from flowmetal.bytecode.file import read_program

SHOP = """(ns shop
  (:require [shop.prices :refer [price-of]]))

(defn main
  "Return the price of a thing."
  [thing]
  (price-of thing))

(defn- secret [] 1)

(defn listing [& things] (mapv price-of things))
"""
PRICES = '(ns shop.prices)\n\n(defn price-of [thing] (get {"anvil" 450} thing 0))\n'


def project(shell) -> None:
    shell.write("src/shop.flow", SHOP)
    shell.write("src/shop/prices.flow", PRICES)


def test_a_program_is_written_beside_its_source_with_its_hash(shell) -> None:
    project(shell)
    shown = shell("fmc", "compile", "src/shop.flow")
    assert shown.status == 0, shown.err
    path, digest = shown.out.split()
    assert path == "src/shop.fmb"
    program = read_program((shell.folder / path).read_bytes())
    assert program.hash == digest
    assert len(digest) == 64


def test_the_output_may_be_named_and_options_stand_anywhere(shell) -> None:
    project(shell)
    shown = shell("fmc", "compile", "src/shop.flow", "-o", "out.fmb", "--json")
    assert json.loads(shown.out)["file"] == "out.fmb"
    assert (shell.folder / "out.fmb").exists()


def test_compiling_twice_gives_the_same_bytes(shell) -> None:
    project(shell)
    shell("fmc", "compile", "src/shop.flow", "-o", "one.fmb")
    shell("fmc", "compile", "src/shop.flow", "-o", "two.fmb")
    assert (shell.folder / "one.fmb").read_bytes() == (shell.folder / "two.fmb").read_bytes()


def test_namespaces_are_found_by_path_option_variable_and_project_file(shell) -> None:
    shell.write("app/shop.flow", SHOP)
    shell.write("lib/shop/prices.flow", PRICES)
    assert shell("fmc", "check", "app/shop.flow").status == 1
    assert shell("fmc", "check", "app/shop.flow", "--path", "lib").status == 0
    shell.monkeypatch.setenv("FLOW_PATH", f"elsewhere:{shell.folder}/lib")
    assert shell("fmc", "check", "app/shop.flow").status == 0
    shell.monkeypatch.delenv("FLOW_PATH")
    shell.write("flow.edn", '{:paths ["app" "lib"]}')
    assert shell("fmc", "check", "app/shop.flow").status == 0


def test_a_project_file_that_says_nothing_is_refused(shell) -> None:
    shell.write("shop.flow", PRICES)
    shell.write("flow.edn", '{:paths "src"}')
    shown = shell("fmc", "check", "shop.flow")
    assert shown.status == 2
    assert "FM1317" in shown.err


def test_check_reports_the_errors_of_all_files(shell) -> None:
    shell.write("a.flow", "(ns a)\n(defn f [x] (printn x))\n")
    shell.write("b.flow", "(ns b)\n(defn f [x] (elif x))\n")
    shell.write("c.flow", "(ns c)\n(defn f [x] x)\n")
    shown = shell("fmc", "check", "a.flow", "b.flow", "c.flow", "--json")
    assert shown.status == 1
    found = json.loads(shown.out)
    assert {error["spans"][0]["file"] for error in found} == {"a.flow", "b.flow"}


def test_check_reports_the_errors_of_other_files_though_one_cannot_be_read(shell) -> None:
    shell.write("a.flow", "(ns a)\n(defn f [x] (printn x))\n")
    shell.write("b.flow", b"\xff")
    shown = shell("fmc", "check", "a.flow", "b.flow", "c.flow", "--json")
    assert shown.status == 2
    assert [error["code"] for error in json.loads(shown.out)] == ["FM0102", "FM1304", "FM1301"]


@pytest.mark.parametrize("output", ["a.flow", "./a.flow", "link"])
def test_a_program_is_not_written_over_its_source(shell, output: str) -> None:
    source = shell.write("a.flow", "(defn main [] 1)\n")
    (shell.folder / "link").symlink_to("a.flow")
    refused = shell("fmc", "compile", "a.flow", "-o", output)
    assert refused.status == 2
    assert "FM1312" in refused.err
    assert source.read_text() == "(defn main [] 1)\n"


def test_a_link_that_leads_nowhere_is_said_to_be_one(shell) -> None:
    (shell.folder / "a.flow").symlink_to("nowhere")
    shown = shell("fmc", "check", "a.flow")
    assert shown.status == 2
    assert "FM1303" in shown.err
    assert "a link to nowhere" in shown.err


def test_check_writes_nothing(shell) -> None:
    project(shell)
    shown = shell("fmc", "check", "src/shop.flow")
    assert (shown.status, shown.out) == (0, "")
    assert "1 file checked" in shown.err
    assert not (shell.folder / "src/shop.fmb").exists()


def test_inspect_shows_entry_points_effects_and_namespaces(shell) -> None:
    project(shell)
    shell("fmc", "compile", "src/shop.flow")
    found = json.loads(shell("fmc", "inspect", "src/shop.fmb", "--json").out)
    assert found["namespace"] == "shop"
    assert "shop.prices" in found["namespaces"]
    entries = {entry["name"]: entry for entry in found["entries"]}
    assert entries.keys() == {"main", "listing"}
    assert entries["main"]["parameters"] == ["[thing]"]
    assert entries["listing"]["parameters"] == ["[& things]"]
    assert entries["main"]["doc"] == "Return the price of a thing."
    assert (
        "main [thing]  Return the price of a thing." in shell("fmc", "inspect", "src/shop.fmb").out
    )


def test_inspect_shows_what_has_to_be_granted(shell) -> None:
    shell.write(
        "ask.flow",
        '(ns ask (:require [flow.http :as http]))\n(defn main [] (http/get! "http://x"))\n',
    )
    found = json.loads(shell("fmc", "inspect", "ask.flow", "--json").out)
    assert "http/request" in found["effects"]
    assert found["capabilities"] == ["http"]


def test_disasm_shows_a_function_with_its_source_lines(shell) -> None:
    project(shell)
    whole = shell("fmc", "disasm", "src/shop.flow")
    assert whole.status == 0, whole.err
    assert "shop/main" in whole.out
    assert "flow.core/" not in whole.out.splitlines()[0]
    one = shell("fmc", "disasm", "src/shop.flow", "main")
    assert "RETURN" in one.out or "TAIL_CALL" in one.out
    assert "shop/listing" not in one.out


def test_disasm_of_an_unknown_function_names_the_nearest(shell) -> None:
    project(shell)
    shown = shell("fmc", "disasm", "src/shop.flow", "shop/mian")
    assert shown.status == 2
    assert "FM1314" in shown.err
    assert "shop/main" in shown.err


def requiring(shell, *roots: str):
    """Check a program that requires x.y, which is looked for in these roots."""
    shell.write("main.flow", "(ns main\n  (:require [x.y :as y]))\n(defn main [] (y/f))")
    words = [word for root in roots for word in ("--path", root)]
    return shell("fmc", "check", "main.flow", *words)


def test_a_namespace_in_two_roots_is_refused_with_both_files(shell) -> None:
    for root in ("one", "two"):
        shell.write(f"{root}/x/y.flow", "(ns x.y) (defn f [] 1)")
    shown = requiring(shell, "one", "two")
    assert shown.status == 1
    assert "error[FM0209]: namespace `x.y` is in two files\n  --> main.flow:2:14\n" in shown.err
    assert "one/x/y.flow and two/x/y.flow" in shown.err


def test_one_file_that_two_roots_lead_to_is_one(shell) -> None:
    shell.write("one/x/y.flow", "(ns x.y) (defn f [] 1)")
    (shell.folder / "two").symlink_to("one")
    assert requiring(shell, "one", "two", "one").status == 0


def test_a_flow_file_comes_before_a_portable_one(shell) -> None:
    shell.write("one/x/y.flow", "(ns x.y) (defn f [] 1)")
    shell.write("one/x/y.cljc", "(ns x.y)")
    assert requiring(shell, "one").status == 0


@pytest.mark.parametrize("what", ["circle", "nowhere", "folder", "pipe"])
def test_a_namespace_whose_file_is_no_file_is_refused_where_it_is_required(shell, what) -> None:
    file = shell.folder / "one" / "x" / "y.flow"
    file.parent.mkdir(parents=True)
    if what == "folder":
        file.mkdir()
    elif what == "pipe":
        os.mkfifo(file)
    else:
        file.symlink_to("y.flow" if what == "circle" else "missing.flow")
    shown = requiring(shell, "one")
    assert shown.status == 1
    assert "error[FM0210]: namespace `x.y` cannot be read\n  --> main.flow:2:14\n" in shown.err
    reason = {
        "circle": "symbolic links",
        "nowhere": "a link to missing.flow, which is not there",
        "folder": "is a folder",
        "pipe": "a device or a pipe",
    }
    assert reason[what] in shown.err


def test_folders_that_link_to_themselves_are_walked_once(shell) -> None:
    shell.write("src/a.flow", "(ns a)\n\n(defn f [] 1)\n")
    (shell.folder / "src" / "again").symlink_to(".")
    assert shell("fmc", "fmt", "--check", "src").status == 0
    assert shell("fmc", "lint", "src").status == 0
    shell.write(
        "test/a_test.flow", "(ns a-test (:require [flow.test :refer :all])) (deftest t (is true))"
    )
    (shell.folder / "test" / "again").symlink_to(".")
    shown = shell("fmc", "test", "test")
    assert shown.status == 0
    assert "1 test" in shown.out + shown.err
