"""with-cassette: what is recorded, what is played, and what never gets into the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowmetal.effects.errors import effect_error
from flowmetal.effects.requests import EffectFailed
from flowmetal.runtime.grants import RunGrants
from flowmetal.testing.recording import Recorder
from flowmetal.testing.results import Outcome
from flowmetal.testing.suite import Selection, run_files
from flowmetal.testing.world import ScriptedWorld
from flowmetal.values import hash_map, keyword

NS = """(ns a-test
  (:require [flow.test :refer :all] [flow.http :as http] [flow.env :refer [env!]] [flow.fs :as fs]
            [flow.async :refer [all!]]))
"""
PLAYED = '(deftest a (with-cassette "a.edn" (is (= "one" (fs/slurp! "one.txt")))))'
EVERYTHING = RunGrants(everything=True)


class Tape:
    """A folder with a test file, and a world that can be recorded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = ScriptedWorld(
            connectors={"fs/read": self._read, "http/request": self._respond},
            environment={"SHOP_TOKEN": "s3cr3t-text", "PORT": "8080"},
        )
        self.grants = EVERYTHING

    @property
    def file(self) -> Path:
        return self.folder / "a.edn"

    def play(self, body: str, recorder: Recorder | None = None) -> Outcome:
        (self.folder / "a_test.flow").write_text(NS + body)
        return run_files([str(self.folder / "a_test.flow")], Selection(recorder=recorder))

    def record(self, body: str, *, anew: bool = False) -> Outcome:
        recorder = Recorder(self.world, self.grants, anew=anew)
        try:
            return self.play(body, recorder)
        finally:
            recorder.close()

    def _read(self, call):
        path = call.args.get(keyword("path"))
        if path == "missing.txt":
            data = {"path": path}
            raise EffectFailed(effect_error("FM0721", "fs/not-found", f"{path}: not there", data))
        return path.removesuffix(".txt")

    def _respond(self, call):
        headers = call.args.get(keyword("headers"))
        assert headers is None or headers.get("authorization") == "Bearer t0ken-of-shop"
        body = hash_map(((keyword("access_token"), "t0ken-of-shop"), (keyword("price"), 3)))
        pairs = (
            ("status", 200),
            ("headers", hash_map((("set-cookie", "sid=12345"),))),
            ("body", body),
        )
        return hash_map((keyword(name), value) for name, value in pairs)


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    return Tape(tmp_path)


def codes(outcome: Outcome) -> list[str]:
    assert not outcome.broken, outcome.broken
    return [p.diagnostic.code for result in outcome.results for p in result.problems]


def notes(outcome: Outcome) -> list[str]:
    return [n for result in outcome.results for p in result.problems for n in p.diagnostic.notes]


def test_what_was_recorded_is_played_without_the_world(tape: Tape) -> None:
    assert tape.record(PLAYED).is_good
    assert tape.play(PLAYED).is_good
    assert len(tape.world.performed) == 1


SIBLINGS = """(deftest a
  (is (= ["one" "two"] (all! (with-cassette "a.edn" (fs/slurp! "one.txt"))
                             (with-cassette "b.edn" (fs/slurp! "two.txt"))))))"""


def test_cassettes_open_in_sibling_fibers_each_have_the_calls_of_their_own(tape: Tape) -> None:
    assert tape.record(SIBLINGS).is_good
    assert [(tape.folder / file).read_text().count(":kind") for file in ("a.edn", "b.edn")] == [
        1,
        1,
    ]
    assert tape.play(SIBLINGS).is_good


def test_what_a_fiber_of_a_cassette_starts_is_on_it_and_what_began_before_is_not(
    tape: Tape,
) -> None:
    body = """(deftest a
      (with-cassette "b.edn"
        (all! (with-cassette "a.edn" (sleep! #dur "2s") (all! (fs/slurp! "one.txt") (fs/slurp! "two.txt")))
              (do (sleep! #dur "1s") (fs/slurp! "three.txt")))))"""
    assert tape.record(body).is_good
    assert [(tape.folder / file).read_text().count(":kind") for file in ("a.edn", "b.edn")] == [
        2,
        1,
    ]
    assert tape.play(body).is_good


def test_an_argument_that_is_not_a_number_is_the_same_when_it_is_played(tape: Tape) -> None:
    body = """(deftest a (with-cassette "a.edn"
      (is (= 3 (get-in (http/get! "http://shop/price" {:query {:below ##NaN}}) [:body :price])))))"""
    assert tape.record(body).is_good
    assert tape.play(body).is_good


def test_nothing_is_recorded_unless_it_is_asked_for(tape: Tape) -> None:
    assert codes(tape.play(PLAYED)) == ["FM0654"]
    assert not tape.file.exists()


def test_a_cassette_that_is_there_is_recorded_anew_only_on_demand(tape: Tape) -> None:
    tape.record(PLAYED)
    tape.record(PLAYED)
    assert len(tape.world.performed) == 1
    tape.record(PLAYED, anew=True)
    assert len(tape.world.performed) == 2


def test_errors_are_recorded_and_played(tape: Tape) -> None:
    body = """(deftest a (with-cassette "a.edn"
      (is (thrown-with-msg? :fs/not-found #"not there" (fs/slurp! "missing.txt")))))"""
    assert tape.record(body).is_good
    assert tape.play(body).is_good


def test_a_changed_call_is_an_error_with_what_differs(tape: Tape) -> None:
    tape.record(PLAYED)
    outcome = tape.play(PLAYED.replace("one.txt", "two.txt"))
    assert codes(outcome)[0] == "FM0655"
    assert 'at [:path] different: expected "one.txt", got "two.txt"' in notes(outcome)


def test_a_changed_call_whose_error_is_caught_is_a_failure(tape: Tape) -> None:
    tape.record(PLAYED)
    outcome = tape.play(
        '(deftest a (with-cassette "a.edn" (try (fs/slurp! "two.txt") (catch :default _))))'
    )
    assert (outcome.counts.fail, outcome.counts.error) == (1, 0)


def test_one_call_more_than_was_recorded_is_an_error(tape: Tape) -> None:
    tape.record(PLAYED)
    twice = '(deftest a (with-cassette "a.edn" (dotimes [_ 2] (fs/slurp! "one.txt"))))'
    assert codes(tape.play(twice)) == ["FM0655"]


def test_one_call_less_than_was_recorded_is_a_failure(tape: Tape) -> None:
    tape.record(PLAYED)
    outcome = tape.play('(deftest a (with-cassette "a.edn" (is true)))')
    assert outcome.counts.fail == 1
    assert "a.edn has a call of fs/read that nobody made" in notes(outcome)[0]


def test_the_program_has_secrets_while_it_is_recorded_and_the_file_never(tape: Tape) -> None:
    body = """(deftest a (with-cassette "a.edn"
      (let [token (:access_token (:body (perform! {})))]
        (is (= 3 (:price (:body (perform! {:headers {"authorization" (str "Bearer " token)}})))))
        (is (= 11 (count (env! "SHOP_TOKEN"))))
        (is (= "8080" (env! "PORT"))))))"""
    helper = '(require (quote [flow.http :as http]))\n(defn perform! [more] (http/request! (merge {:method :get :url "https://a.example"} more)))\n'
    assert tape.record(helper + body).is_good
    text = tape.file.read_text()
    for secret in ("t0ken-of-shop", "s3cr3t-text", "sid=12345"):
        assert secret not in text
    assert "8080" in text
    played = tape.play(helper + body.replace("(= 11 (count", "(= 18 (count"))
    assert played.is_good, notes(played)


@pytest.mark.parametrize(
    "json",
    [
        "(list token)", "(map str [token])", "#{token}", "(sorted-map 1 token)", "(->Order token)",
        '{:tokens (list "s3cr3t-text")}', '(list {:token "s3cr3t-text"})', '#{{:token "s3cr3t-text"}}',
    ],
)  # fmt: skip
def test_a_secret_is_hidden_whatever_collection_it_stands_in(tape: Tape, json: str) -> None:
    body = f"""(require '[flow.http :as http])
(defrecord Order [id])
(deftest a (with-cassette "a.edn"
  (let [token (env! "SHOP_TOKEN")]
    (http/post! "https://a.example" {{:json {json}}}))))"""
    assert tape.record(body).is_good
    assert "s3cr3t-text" not in tape.file.read_text()
    played = tape.play(body)
    assert played.is_good, notes(played)


def test_a_secret_is_hidden_as_it_is_written_in_a_url(tape: Tape) -> None:
    tape.world.environment = {"SHOP_TOKEN": "s3cr et/=="}
    body = """(require '[flow.url :as url])
(deftest a (with-cassette "a.edn"
  (is (string? (fs/slurp! (str "a?t=" (url/encode (env! "SHOP_TOKEN"))))))))"""
    recorded = tape.record(body)
    assert recorded.is_good, notes(recorded)
    assert "s3cr" not in tape.file.read_text()
    played = tape.play(body)
    assert played.is_good, notes(played)


def test_a_call_with_a_record_is_played(tape: Tape) -> None:
    body = """(require '[flow.http :as http])
(defrecord Order [id])
(deftest a (with-cassette "a.edn"
  (is (= 200 (:status (http/post! "https://a.example" {:json {:order (->Order 7)}}))))))"""
    assert tape.record(body).is_good
    played = tape.play(body)
    assert played.is_good, notes(played)


def test_a_recording_that_was_refused_something_is_not_written(tape: Tape) -> None:
    tape.grants = RunGrants()
    outcome = tape.record('(deftest a (with-cassette "a.edn" (env! "PORT")))')
    assert codes(outcome) == ["FM1201"]
    assert not tape.file.exists()


@pytest.mark.parametrize(
    "content",
    [
        "(", "", "[1 2]", "{:a 1}", "{:flowmetal/cassette 2 :calls []}",
        "{:flowmetal/cassette 1 :calls 7}", "{:flowmetal/cassette 1 :calls [7]}",
        "{:flowmetal/cassette 1 :calls [{:kind 1 :args {}}]}",
        '{:flowmetal/cassette 1 :calls [{:kind "fs/read" :args {} :error 3}]}', b"\xff\xfe",
    ],
)  # fmt: skip
def test_a_file_that_is_no_cassette_is_refused_and_never_overwritten(tape: Tape, content) -> None:
    before = content if isinstance(content, bytes) else content.encode()
    tape.file.write_bytes(before)
    assert codes(tape.play(PLAYED)) == ["FM0656"]
    assert codes(tape.record(PLAYED, anew=True)) == ["FM0656"]
    assert tape.file.read_bytes() == before


def test_a_cassette_that_cannot_be_written_is_an_error(tape: Tape) -> None:
    body = PLAYED.replace("a.edn", "no/such/folder/a.edn")
    assert codes(tape.record(body)) == ["FM0656"]


def test_a_name_that_is_no_edn_file_is_refused(tape: Tape) -> None:
    assert codes(tape.play('(deftest a (with-cassette "a_test.flow" 1))')) == ["FM0512"]


def test_an_effect_that_a_crash_repeats_hears_the_same(tape: Tape) -> None:
    body = """(deftest a (with-cassette "a.edn"
      (is (= "one" (crash-at :after fs/slurp! (fs/slurp! "one.txt"))))))"""
    assert tape.record(body).is_good
    assert len(tape.world.performed) == 1
    assert tape.play(body).is_good


@pytest.mark.parametrize(
    "body",
    [
        '(with-cassette "a.edn" (check-durable go! [] {:kills 20}))',
        '(check-durable (fn [] (with-cassette "a.edn" (go!))) [] {:kills 20})',
    ],
)
def test_killed_machines_hear_the_same_inside_and_around_a_cassette(tape: Tape, body: str) -> None:
    test = f"""(defn go! [] (str (fs/slurp! "one.txt") (fs/slurp! "two.txt") (fs/slurp! "one.txt")))
(deftest a (is (= "onetwoone" {body})))"""
    recorded = tape.record(test)
    assert recorded.is_good, notes(recorded)
    assert len(tape.world.performed) == 3
    played = tape.play(test)
    assert played.is_good, notes(played)


def test_the_innermost_cassette_answers(tape: Tape) -> None:
    body = """(deftest a (with-cassette "a.edn"
      (is (= "one" (fs/slurp! "one.txt")))
      (with-cassette "b.edn" (is (= "two" (fs/slurp! "two.txt"))))
      (is (= "three" (fs/slurp! "three.txt")))))"""
    assert tape.record(body).is_good
    assert tape.play(body).is_good
    assert "two.txt" not in tape.file.read_text()
