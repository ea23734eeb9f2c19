"""``fmc lint`` from the outside."""

from __future__ import annotations

import json

GOOD = "(defn main [x]\n  (nil? x))\n"
BAD = "(defn main [x]\n  (= x nil))\n"


def test_a_finding_is_shown_with_its_place_and_its_name(shell) -> None:
    shell.write("a.flow", BAD)
    shown = shell("fmc", "lint", "a.flow")
    assert shown.status == 1
    assert shown.out == (
        "warning[FM0567]: `=` compares with nil\n"
        "  --> a.flow:2:3\n"
        "   |\n"
        " 1 | (defn main [x]\n"
        " 2 |   (= x nil))\n"
        "   |   ^^^^^^^^^\n"
        "note: lint compared-with-nil\n"
        "help: write (nil? x)\n"
    )


def test_without_findings_the_status_is_0(shell) -> None:
    shown = shell("fmc", "lint", shell.write("a.flow", GOOD))
    assert (shown.status, shown.out) == (0, "")
    assert "nothing" in shown.err


def test_findings_as_json(shell) -> None:
    shell.write("a.flow", BAD)
    shown = shell("fmc", "lint", "--json", "a.flow")
    (found,) = json.loads(shown.out)
    assert shown.status == 1
    assert (found["code"], found["level"], found["lint"]) == (
        "FM0567",
        "warning",
        "compared-with-nil",
    )
    assert found["spans"][0]["line"] == 2


def test_no_findings_as_json_are_an_empty_list(shell) -> None:
    shown = shell("fmc", "lint", "--json", shell.write("a.flow", GOOD))
    assert (shown.status, json.loads(shown.out)) == (0, [])


def test_a_folder_means_the_sources_below_it(shell) -> None:
    shell.write("src/a.flow", BAD)
    shell.write("src/deep/b.flow", BAD)
    shown = shell("fmc", "lint", "src")
    assert shown.out.count("FM0567") == 2


def test_errors_are_told_and_other_files_still_looked_at(shell) -> None:
    shell.write("a.flow", "(defn main [] (unknown-name))")
    shell.write("b.flow", BAD)
    shown = shell("fmc", "lint", "a.flow", "b.flow")
    assert shown.status == 1
    assert "error[FM0102]" in shown.err
    assert "FM0567" in shown.out


def test_other_files_are_looked_at_though_one_cannot_be_read(shell) -> None:
    shell.write("a.flow", b"\xff")
    shell.write("b.flow", BAD)
    shown = shell("fmc", "lint", "a.flow", "b.flow")
    assert shown.status == 2
    assert "error[FM1304]" in shown.err
    assert "FM0567" in shown.out


def test_required_files_are_found(shell) -> None:
    shell.write("src/shop/util.flow", "(ns shop.util)\n\n(defn f [x] (= x nil))\n")
    main = shell.write(
        "src/shop/main.flow", "(ns shop.main\n  (:require [shop.util :as u]))\n\n(def x u/f)\n"
    )
    assert shell("fmc", "lint", main).status == 0
    text = "(ns main\n  (:require [shop.util :as u]))\n\n(def x u/f)\n"
    assert (
        shell("fmc", "lint", "--path", shell.folder / "src", shell.write("main.flow", text)).status
        == 0
    )


def test_a_missing_file_is_wrong_usage(shell) -> None:
    assert shell("fmc", "lint", "no.flow").status == 2
