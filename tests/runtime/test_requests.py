"""Requests: signals that a run replies to, asked by other runs, by programs and over the command line."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowmetal
from flowmetal.embed.asking import Thrown
from flowmetal.errors import RunError
from flowmetal.values import keyword, pr_str
from tests.stores import url_of

HEAD = "(ns p (:require [flow.event :as event]))\n"
TILL = """
(defn till []
  (loop [sold 0]
    (let [request (event/receive-request! :sell)
          n (:value request)]
      (cond
        (= n "close")  sold
        (= n "wait")   (recur sold)
        (neg? n)       (do (event/reject! request (ex-info "nothing comes back" {:type :till/no :n n})) (recur sold))
        :else          (do (event/reply! request {:sold (+ sold n)}) (recur (+ sold n)))))))
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[flowmetal.Engine]:
    with flowmetal.Engine(url_of(request.param, request, tmp_path)) as opened:
        yield opened


def result(engine: flowmetal.Engine, text: str) -> str:
    run, _ = engine.start(flowmetal.compile(HEAD + TILL + text))
    view = engine.drive(run)
    assert view.error is None, view.error.message
    return pr_str(view.result)


def open_till(engine: flowmetal.Engine) -> str:
    run, _ = engine.start(flowmetal.compile(HEAD + TILL + "(defn main [] (till))"), id="till")
    engine.interpret(until_idle=True)
    return run


def ask(engine: flowmetal.Engine, value, **options):
    """Ask, while somebody else drives the run."""
    asked = threading.Event()
    with flowmetal.Engine(engine.store_url) as other:

        def drive() -> None:
            while not asked.wait(0.02):
                other.interpret(until_idle=True)

        driver = threading.Thread(target=drive)
        driver.start()
        try:
            return engine.ask("till", "sell", value, timeout_us=10_000_000, **options)
        finally:
            asked.set()
            driver.join()


def test_a_run_replies_to_the_one_that_asks(engine) -> None:
    text = """(defn main [] (let [t (start! till [])] [(event/ask! t :sell 2) (event/ask! t :sell 3)]))"""
    assert result(engine, text) == "[{:sold 2} {:sold 5}]"


def test_a_run_replies_to_the_one_that_asks_it_by_its_id(engine) -> None:
    text = """(defn main [] (start! till [] {:id "till"}) [(event/ask! "till" :sell 2) (event/ask! "till" :sell 3)])"""
    assert result(engine, text) == "[{:sold 2} {:sold 5}]"


def test_a_run_that_is_asked_by_its_id_and_ends_leaves_the_request_unanswered(engine) -> None:
    text = """(defn main []
                (start! till [] {:id "till"})
                (event/signal! "till" :sell "close")
                (try (event/ask! "till" :sell "wait")
                     (catch :signal/unanswered e (select-keys (ex-data e) [:run :end]))))"""
    assert result(engine, text) == '{:run "till", :end :completed}'


def test_a_rejected_request_throws_the_error_of_the_run(engine) -> None:
    text = """(defn main [] (try (event/ask! (start! till []) :sell -1)
                                 (catch :till/no e [(ex-message e) (:n (ex-data e))])))"""
    assert result(engine, text) == '["nothing comes back" -1]'


def test_a_request_without_a_reply_ends_in_time_or_with_the_run(engine) -> None:
    text = """(defn main []
                (let [t (start! till [])]
                  [(event/ask! t :sell "wait" {:timeout #dur "5ms" :else :nobody})
                   (try (event/ask! t :sell "wait" {:timeout #dur "5ms"}) (catch :timeout e :late))
                   (try (event/ask! t :sell "close") (catch :signal/unanswered e (:end (ex-data e))))]))"""
    assert result(engine, text) == "[:nobody :late :completed]"


def test_a_request_of_the_same_id_gets_the_same_reply(engine) -> None:
    text = """(defn main []
                (let [t (start! till [])]
                  [(event/ask! t :sell 2 {:id "a"}) (event/ask! t :sell 2 {:id "a"}) (event/ask! t :sell 2)]))"""
    assert result(engine, text) == "[{:sold 2} {:sold 2} {:sold 4}]"


def test_a_retried_body_asks_once_until_it_is_rejected(engine) -> None:
    text = """
      (defn desk [] (loop [seen []]
        (let [r (event/receive-request! :sell)
              seen (conj seen (:value r))]
          (if (= "close" (:value r))
            seen
            (do (if (= seen [:b]) (event/reject! r (ex-info "busy" {})) (event/reply! r (count seen)))
                (recur seen))))))
      (defn main []
        (let [t (start! desk [])
              replies (step! "sell" {:retry {:max-attempts 4 :backoff #dur "1ms"}}
                        (let [b (event/ask! t :sell :b)
                              c (event/ask! t :sell :c)]
                          (event/ask! t :sell (attempt) {:timeout #dur "1h"})
                          (if (< (attempt) 4) (throw (ex-info "again" {})) [b c])))]
          (event/signal! t :sell "close")
          [replies (await! t)]))"""
    assert result(engine, text) == '[[2 3] [:b :b :c 2 3 4 "close"]]'


def test_only_the_first_word_about_a_request_counts(engine) -> None:
    text = """(defn main []
                (event/signal! (:run (run-info)) :x 1 {:id "x"})
                (let [r (event/receive-request! :x)]
                  [r (event/reply! r 1) (event/reply! r 2) (event/reject! r (ex-info "no" {}))]))"""
    assert result(engine, text) == '[{:id "x", :value 1} true false false]'


def test_what_is_no_request_cannot_be_replied_to(engine) -> None:
    text = """(defn main [] (try (event/reply! 1 2) (catch :type/mismatch e (ex-message e))))"""
    assert result(engine, text) == '"`reply!` needs what receive-request! returned, got 1"'


def test_a_program_asks_and_may_ask_again_after_the_end(engine) -> None:
    open_till(engine)
    assert pr_str(ask(engine, 4, id="a").value) == "{:sold 4}"
    assert pr_str(ask(engine, 4, id="a").value) == "{:sold 4}"
    with pytest.raises(Thrown) as thrown:
        ask(engine, -1)
    assert thrown.value.error.type == keyword("till/no")
    with pytest.raises(RunError, match="has ended without a reply") as ended:
        ask(engine, "close")
    assert ended.value.code == "FM1137"
    assert pr_str(ask(engine, 4, id="a").value) == "{:sold 4}"


def test_who_waits_for_a_reply_does_not_look_all_the_time(engine, monkeypatch) -> None:
    open_till(engine)
    looks, look = [], engine.store.operate
    monkeypatch.setattr(engine.store, "operate", lambda asked: looks.append(asked) or look(asked))
    assert engine.ask("till", "sell", "wait", timeout_us=600_000) is None
    assert len(looks) < 10


def test_who_asks_in_vain_is_told_in_time(engine) -> None:
    open_till(engine)
    assert engine.ask("till", "sell", "wait", timeout_us=1000) is None
