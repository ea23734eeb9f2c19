"""What mistakes look like that need more than one file, a long computation, or `fmc test`."""

from __future__ import annotations

import pytest

import flowmetal
from tests.house.sessions import compare, shown_by
from tests.shell import Shell

TEST = """(ns shop-test
  (:require [flow.test :refer :all]
            [flow.event :refer [receive!]]
            [flow.fs :as fs]
            [flow.http :as http]))

(deftest %s)
"""
REQUIRES = (
    "(ns main\n  (:require [shop.prices :as prices]))\n\n(defn main []\n  (prices/total 3))\n"
)
PRICES = "(ns shop.prices)\n\n(defn total [n] n)\n"
CASSETTE = '{:flowmetal/cassette 1\n :calls [{:kind "fs/read" :args {:path "one.txt" :as :text} :result "1"}]}\n'

FILES_AND_SESSIONS: dict[str, tuple[dict[str, str | bytes], str]] = {
    "FM0104": (
        {
            "main.flow": REQUIRES,
            "shop/prices.flow": "(ns shop.prices)\n\n(defn- total [n] n)\n",
        },
        "fmvm run main.flow",
    ),
    "FM0204": (
        {
            "main.flow": REQUIRES,
            "shop/prices.flow": "(ns shop.prices\n  (:require [shop.taxes :as taxes]))\n",
            "shop/taxes.flow": "(ns shop.taxes\n  (:require [shop.prices :as prices]))\n",
        },
        "fmvm run main.flow",
    ),
    "FM0205": (
        {"main.flow": REQUIRES, "shop/prices.flow": "(ns shop.price)\n"},
        "fmvm run main.flow",
    ),
    "FM0209": (
        {"main.flow": REQUIRES, "one/shop/prices.flow": PRICES, "two/shop/prices.flow": PRICES},
        "fmvm run main.flow --path one --path two",
    ),
    "FM0210": (
        {"main.flow": REQUIRES, "shop/prices.flow/note": ""},
        "fmvm run main.flow",
    ),
    "FM0308": (
        {
            "main.flow": "(ns main)\n\n(defn sum [n]\n  (+ n (sum (inc n))))\n\n"
            "(defn main []\n  (sum 1))\n"
        },
        "fmvm run main.flow --id order-17 --limit frames=1000",
    ),
    "FM0650": (
        {"shop_test.flow": TEST % 'prices\n  (is (= 200 (:status (http/get! "http://shop"))))'},
        "fmc test shop_test.flow",
    ),
    "FM0653": (
        {"shop_test.flow": TEST % "paid\n  (is (= 7 (receive! :paid)))"},
        "fmc test shop_test.flow",
    ),
    "FM0654": (
        {"shop_test.flow": TEST % 'prices\n  (with-cassette "prices.edn" (fs/slurp! "one.txt"))'},
        "fmc test shop_test.flow",
    ),
    "FM0655": (
        {
            "shop_test.flow": TEST % 'prices\n  (with-cassette "prices.edn" (fs/slurp! "two.txt"))',
            "prices.edn": CASSETTE,
        },
        "fmc test shop_test.flow",
    ),
    "FM0656": (
        {
            "shop_test.flow": TEST % 'prices\n  (with-cassette "prices.edn" (fs/slurp! "one.txt"))',
            "prices.edn": "{:gold 3 :silver 1}\n",
        },
        "fmc test shop_test.flow",
    ),
}


@pytest.mark.parametrize("code", FILES_AND_SESSIONS)
def test_a_mistake_in_a_project_is_worded_as_agreed(code: str, shell: Shell) -> None:
    files, session = FILES_AND_SESSIONS[code]
    for name, text in files.items():
        shell.write(name, text)
    compare(code, shown_by(shell, session))


def test_a_function_that_does_not_survive_is_worded_as_agreed(shell: Shell) -> None:
    """Only a fault of the machine makes one, so this one forgets where its random numbers stand."""
    from flowmetal.testing import driven

    restore = driven.Machine.restore

    def forgetful(data: bytes, program: flowmetal.Program) -> flowmetal.Machine:
        machine = restore(data, program)
        machine._state.random += 1
        return machine

    shell.monkeypatch.setattr(driven.Machine, "restore", forgetful)
    shell.write(
        "shop_test.flow",
        TEST % "lots\n  (check-durable (fn [] (mapv (fn [_] (rand-int 100)) (range 9))) [])",
    )
    compare("FM0652", shown_by(shell, "fmc test shop_test.flow"))
