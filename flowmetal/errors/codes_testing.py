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
        "with-clock, crash-at, check-durable and stub-calls ask the runner to move its clock or to\n"
        "kill the machine. Run the file with `fmc test`.",
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
)
