"""What flow.test says: FM065x. All of it are values of the language."""

from __future__ import annotations

from flowmetal.errors import ErrorCode

CODES: tuple[ErrorCode, ...] = (
    ErrorCode(
        "FM0650",
        "A test asked something of the world",
        "Tests run sealed from the world. Replace the function that asks:\n"
        "(with-stubs {http/get! (fn [url] {:status 200})} ...). Time, randomness, steps and logs\n"
        "need no stub: the clock of a test is virtual.",
    ),
    ErrorCode(
        "FM0651",
        "This needs the test runner",
        "with-clock, with-cassette, crash-at, check-durable and stub-calls ask the runner, the host of\n"
        "the machine. Run the file with `fmc test`.",
        wrong="(ns a (:require [flow.test :as test]))\n(defn main [] (test/check-durable + [1 2]))",
        right="(ns a (:require [flow.test :as test]))\n(defn main [] (test/is (= 3 (+ 1 2))))",
    ),
    ErrorCode(
        "FM0652",
        "A function did not survive being killed",
        "It was run once undisturbed and once in machines that were killed at random and restored.\n"
        "Result and effects should be the same; the message says what was not.",
    ),
    ErrorCode(
        "FM0653",
        "A test waits for what nobody will send",
        "Every fiber waits, and no timer will wake one. Give the wait a :timeout, or stub the\n"
        "function that waits.",
    ),
    ErrorCode(
        "FM0654",
        "A cassette has not been recorded",
        "with-cassette plays a file that is not there. `fmc test --record` asks the world and writes\n"
        "it; say what it may touch, as for `fmvm run`: --allow-http=api.example.com.",
    ),
    ErrorCode(
        "FM0655",
        "A cassette has no answer to this call",
        "The program asks for something else than when the cassette was recorded, or asks more\n"
        "often. The notes say what differs. If the change is meant, record anew:\n"
        "fmc test -k NAME --re-record, with what it needs allowed.",
    ),
    ErrorCode(
        "FM0656",
        "A file cannot be used as a cassette",
        "It cannot be read or written, is no EDN, or is of another shape. A file that is not a\n"
        "cassette is never overwritten: give the cassette another name, or remove the file.",
    ),
)
