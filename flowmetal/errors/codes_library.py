"""What functions of the standard library raise in a program: FM0501 - FM0514, FM0520, FM0521, FM0540, FM0541.

``wrong`` is a program whose run raises the code and ``right`` one that does
not; both are tests.
"""

from __future__ import annotations

from flowmetal.errors import ErrorCode

CODES: tuple[ErrorCode, ...] = (
    ErrorCode(
        "FM0501",
        "An argument is of the wrong kind",
        "The message says which function, which argument, what it needs and what it got. Times\n"
        "are durations everywhere: write (seconds 5) and not 5.",
        wrong="(defn main [] (subs :name 1))",
        right='(defn main [] (subs "name" 1))',
    ),
    ErrorCode(
        "FM0503",
        "A key has no value",
        "Maps are made of keys and values in turn.",
        wrong="(defn main [] (apply hash-map [:a 1 :b]))",
        right="(defn main [] (apply hash-map [:a 1 :b 2]))",
    ),
    ErrorCode(
        "FM0506",
        "The pattern of a format does not fit",
        "format knows %s %d %x %o %f %e %g %c %b %n and %%, and needs an argument of the right\n"
        "kind for each. fmt of flow.string fills {name} and {name:.2f}.",
        wrong='(defn main [] (format "%d" "one"))',
        right='(defn main [] (format "%d" 1))',
    ),
    ErrorCode(
        "FM0507",
        "The text cannot be read as what it should be",
        "It is no JSON, no EDN, no instant, no duration or no time zone; the message says which\n"
        "and where.",
        wrong='(ns a (:require [flow.json :as json]))\n(defn main [] (json/parse "{"))',
        right='(ns a (:require [flow.json :as json]))\n(defn main [] (json/parse "{}"))',
    ),
    ErrorCode(
        "FM0508",
        "No clause matches",
        "case and condp throw when no clause takes the value. An expression at the end, without\n"
        "a test, is the default.",
        wrong="(defn main [] (case :c :a 1 :b 2))",
        right="(defn main [] (case :c :a 1 :b 2 :other))",
    ),
    ErrorCode(
        "FM0509",
        "The regular expression cannot be used",
        "Regular expressions are those of java.util.regex. The message says what is wrong, and where.",
        wrong='(defn main [] (re-find (re-pattern "(a") "a"))',
        right='(defn main [] (re-find (re-pattern "(a)") "a"))',
    ),
    ErrorCode(
        "FM0510",
        "An assertion does not hold",
        "assert throws when its test is nil or false.",
        wrong="(defn main [] (assert (= 1 2)))",
        right="(defn main [] (assert (= 1 1)))",
    ),
    ErrorCode(
        "FM0511",
        "The validator of an atom refuses a value",
        "An atom that has a validator only takes values for which it holds. The atom keeps the\n"
        "value that it had.",
        wrong="(defn main [] (reset! (atom 1 :validator pos?) -1))",
        right="(defn main [] (reset! (atom 1 :validator pos?) 2))",
    ),
    ErrorCode(
        "FM0512",
        "An option is not known or makes no sense",
        "The message shows the option, or what it takes.",
        wrong='(defn main [] (step! "pay" {:retries 3} 1))',
        right='(defn main [] (step! "pay" {:retry {:max-attempts 3}} 1))',
    ),
    ErrorCode(
        "FM0513",
        "A value is not data",
        "Functions, atoms and the like cannot be written as JSON.",
        wrong="(ns a (:require [flow.json :as json]))\n(defn main [] (json/write (atom 1)))",
        right="(ns a (:require [flow.json :as json]))\n(defn main [] (json/write @(atom 1)))",
    ),
    ErrorCode(
        "FM0514",
        "A result would be too large",
        "A text of more than 67 million characters, or four million items made at once, do not belong\n"
        "into a run, whose state is saved again and again: keep them in a file and its path in the\n"
        "run. Type :limit/characters or :limit/items; `--limit items=N` raises a limit.",
        wrong="(defn main [] (count (vec (range 1000000000))))",
        right="(defn main [] (count (range 1000000000)))",
    ),
    ErrorCode(
        "FM0520",
        "A template has a name without a value",
        "Every {{name}} of a template needs a value; nil is one, and leaves no text.",
        wrong='(ns a (:require [flow.template :as template]))\n(defn main [] (template/render "Hi {{name}}" {}))',
        right='(ns a (:require [flow.template :as template]))\n(defn main [] (template/render "Hi {{name}}" {:name "Ann"}))',
    ),
    ErrorCode(
        "FM0540",
        "There is no saga around this",
        "What undoes something is registered with the nearest saga!; outside of one it would be\n"
        "forgotten.",
        wrong="(ns a (:require [flow.saga :refer [compensate!]]))\n(defn main [] (compensate! println))",
        right="(ns a (:require [flow.saga :refer [saga! compensate!]]))\n"
        "(defn main [] (saga! (compensate! println) :done))",
    ),
    ErrorCode(
        "FM0541",
        "Not all that a cancelled saga has done could be undone",
        "A saga that is cancelled is undone, and an undo has failed for good. The `:compensated` of its data says which,\n"
        "and why; the log says it, too. A run that was to be cancelled fails with this: undo the rest by hand, then\n"
        "cancel it again.",
        wrong="(ns a (:require [flow.async :refer [promise!]] [flow.saga :refer [saga! compensate!]]))\n"
        "(defn main []\n"
        "  (let [paid (promise!)\n"
        '        trip (spawn! (fn [] (saga! (compensate! #(throw (ex-info "stuck" {:retryable? false}))) (await! paid))))]\n'
        '    (sleep! #dur "1ms")\n'
        "    (cancel! trip)\n"
        "    (await! trip)))",
        right="(ns a (:require [flow.async :refer [promise!]] [flow.saga :refer [saga! compensate!]]))\n"
        "(defn main []\n"
        "  (let [paid (promise!)\n"
        "        trip (spawn! (fn [] (saga! (compensate! (fn [] :undone)) (await! paid))))]\n"
        '    (sleep! #dur "1ms")\n'
        "    (cancel! trip)\n"
        "    (try (await! trip) (catch :fiber/cancelled e :undone))))",
    ),
    ErrorCode(
        "FM0521",
        "A regular expression takes too many steps",
        "Most expressions are matched in time proportional to the text. Those with back references,\n"
        "look-around or possessive parts are matched by trying, which is bounded: a million steps, and\n"
        "200 more for each character, up to 20 million. Nested loops over the same characters, as in (a+)+, need more.",
        wrong='(defn main [] (re-find #"(?=(a+)+$)b" (str (apply str (repeat 40 "a")) "c")))',
        right='(defn main [] (re-find #"(?=a+$)b" (str (apply str (repeat 40 "a")) "c")))',
    ),
    ErrorCode(
        "FM0528",
        "cl-format cannot use this format",
        "A format of Common Lisp has directives such as ~a, ~d and ~{ ~}; each takes the arguments that it\n"
        "needs, and what is opened is closed. The message says which format, and what is wrong with it.",
        wrong="(ns a (:require [flow.pprint :refer [cl-format]]))\n"
        '(defn main [] (cl-format nil "~a and ~a" 1))',
        right="(ns a (:require [flow.pprint :refer [cl-format]]))\n"
        '(defn main [] (cl-format nil "~a and ~a" 1 2))',
    ),
)
