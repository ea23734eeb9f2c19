"""``fmc test`` and the plug-in for pytest, from the outside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
GOOD = "(ns good-test (:require [flow.test :refer [deftest is]]))\n(deftest fine (is (= 1 1)))\n"
BAD = """(ns bad-test (:require [flow.test :refer [deftest is]]))
(deftest wrong
  (println "seen")
  (is (= {:a 1} {:a 2})))
"""
SHOWN = """failure: bad-test/wrong failed
  --> bad_test.flow:4:7
   |
 3 |   (println "seen")
 4 |   (is (= {:a 1} {:a 2})))
   |       ^^^^^^^^^^^^^^^^^ does not hold
note: expected (= {:a 1} {:a 2})
note: actual   (not (= {:a 1} {:a 2}))
note: at [:a] different: expected 1, got 2
printed by bad-test/wrong:
seen

1 test, 1 assertion: 1 failure, 0 errors
"""


@pytest.fixture
def project(shell, monkeypatch):
    monkeypatch.chdir(shell.folder)
    return shell


def test_tests_that_pass_exit_with_0(project) -> None:
    project.write("good_test.flow", GOOD)
    shown = project("fmc", "test", "good_test.flow")
    assert (shown.status, shown.out) == (0, "1 test, 1 assertion: 0 failures, 0 errors\n")


def test_a_failure_is_shown_with_its_source_and_exits_with_1(project) -> None:
    project.write("bad_test.flow", BAD)
    shown = project("fmc", "test", "bad_test.flow")
    assert (shown.status, shown.out) == (1, SHOWN)


def test_an_error_is_shown_with_frames_of_the_language(project) -> None:
    project.write(
        "e_test.flow",
        "(ns e-test (:require [flow.test :refer [deftest is]]))\n"
        "(defn half [x] (let [h (/ x 0)] h))\n(deftest wrong (is (= 1 (half 2))))\n",
    )
    shown = project("fmc", "test", "e_test.flow")
    assert shown.status == 1
    assert "e_test.flow:2:24" in shown.out
    assert "in e-test/half" in shown.out
    assert ".py" not in shown.out


def test_what_does_not_compile_is_a_diagnostic_and_the_others_run(project) -> None:
    project.write("tests/a_test.flow", "(ns a-test)\n(defn f [] (g))\n")
    project.write("tests/good_test.flow", GOOD)
    shown = project("fmc", "test")
    assert shown.status == 1
    assert "error[FM0102]: unknown name `g`\n  --> tests/a_test.flow:2:13" in shown.err
    assert shown.out == "1 test, 1 assertion: 0 failures, 0 errors (1 compile error)\n"


def test_folders_are_searched_for_files_with_tests(project) -> None:
    project.write("src/shop/cart.flow", "(ns shop.cart)\n(defn total [xs] (reduce + xs))\n")
    project.write(
        "test/shop/cart_test.flow",
        "(ns shop.cart-test (:require [clojure.test :refer [deftest is]] [shop.cart :as cart]))\n"
        "(deftest sums (is (= 3 (cart/total [1 2]))))\n",
    )
    project.write("test/shop/helper.flow", "(ns shop.helper)\n(defn f [] 1)\n")
    project.write("test/plain.flow", GOOD.replace("good-test", "plain"))
    shown = project("fmc", "test")
    assert (shown.status, shown.out) == (0, "2 tests, 2 assertions: 0 failures, 0 errors\n"), shown


@pytest.mark.parametrize("alias", ["t", "clojure.test"])
def test_a_deftest_behind_an_alias_is_a_test_of_a_folder(project, alias: str) -> None:
    project.write(
        "tests/prices.flow", f"(ns prices (:require [clojure.test :as t]))\n({alias}/deftest a)\n"
    )
    shown = project("fmc", "test")
    assert shown.out.startswith("1 test,"), shown.out + shown.err


def test_no_tests_are_no_failure(project) -> None:
    project.write("empty_test.flow", "(ns empty-test (:require [flow.test]))\n")
    assert project("fmc", "test").out == "0 tests, 0 assertions: 0 failures, 0 errors\n"


def test_wrong_usage_exits_with_2(project) -> None:
    assert project("fmc", "test", "nowhere.flow").status == 2
    assert project("fmc", "test", "--seed", "x").status == 2
    assert project("fmc", "test", "--nonsense").status == 2


def test_the_seed_is_printed(project) -> None:
    project.write("good_test.flow", GOOD)
    assert "--seed 7" in project("fmc", "test", "--seed", "7").err


def test_results_as_json(project) -> None:
    project.write("good_test.flow", GOOD)
    project.write("bad_test.flow", BAD)
    shown = project("fmc", "test", "--json")
    document = json.loads(shown.out)
    assert shown.status == 1
    assert {key: document[key] for key in ("test", "pass", "fail", "error")} == {
        "test": 2, "pass": 1, "fail": 1, "error": 0,
    }  # fmt: skip
    wrong, fine = document["tests"]
    assert (wrong["name"], wrong["output"]) == ("bad-test/wrong", "seen\n")
    assert wrong["problems"][0]["spans"][0]["line"] == 4
    assert fine["problems"] == []


def test_results_for_a_build_server(project) -> None:
    project.write("bad_test.flow", BAD.replace("seen", "bell \\u0007"))
    project.write("good_test.flow", GOOD)
    assert project("fmc", "test", "--junit", "out.xml").status == 1
    suite = ElementTree.fromstring((project.folder / "out.xml").read_text("utf-8"))
    assert suite.attrib | {} == {
        "name": "flowmetal", "tests": "2", "failures": "1", "errors": "0", "assertions": "2",
    }  # fmt: skip
    wrong, fine = suite.findall("testcase")
    assert (wrong.get("classname"), wrong.get("name")) == ("bad-test", "wrong")
    assert "bad_test.flow:4:7" in wrong.findtext("failure", "")
    assert len(fine) == 0


def test_pytest_collects_tests_and_shows_failures_as_we_do(project) -> None:
    project.write("good_test.flow", GOOD)
    project.write("bad_test.flow", BAD)
    project.write("broken_test.flow", "(ns broken-test)\n(defn f [] (g))\n")
    words = ["-m", "pytest", "-p", "no:cacheprovider", "-rA", "--continue-on-collection-errors"]
    plugin = ["-p", "flowmetal.testing.pytest_plugin"]
    run = subprocess.run(
        [sys.executable, *words, *plugin, "."],
        cwd=project.folder, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": ""},
    )  # fmt: skip
    assert run.returncode == 1, run.stdout
    assert "PASSED good_test.flow::fine" in run.stdout
    assert "FAILED bad_test.flow::wrong" in run.stdout
    assert "at [:a] different: expected 1, got 2" in run.stdout
    assert "error[FM0102]: unknown name `g`" in run.stdout
    assert "Traceback" not in run.stdout
