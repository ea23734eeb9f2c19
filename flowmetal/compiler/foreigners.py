"""Names that people bring from other languages, and what to write instead.

Tables only. ``MISSING_NAMES`` answers an unknown name that Clojure or another
Lisp has (``errors/suggestions.py`` knows the best known ones), ``FOREIGN_CLASSES``
a name qualified by a class of Java's, and the rest says which names in a
``catch`` mean every error and which a class of errors.
"""

from __future__ import annotations

import re

# fmt: off
MISSING_NAMES: dict[str, str] = {
    # written         help
    "println!":       "did you mean `println`?",
    "printf!":        "did you mean `printf`?",
    "NULL":           "write nil",
    "defparameter":   "write (def ^:dynamic *name* value)",
    "defvar":         "write (def ^:dynamic *name* value)",
    "setf":           "bind a new value with `let`, or keep changing state in an `atom`",
    "let-values":     "write (let [[a b] value] ...)",
    "letrec":         "write (letfn [(name [arguments] ...)] ...)",
    "call/cc":        "use `try` and `throw`, or a lazy sequence",
    "cadr":           "write (second x)",
    "null?":          "did you mean `nil?`?",
    "pair?":          "did you mean `seq?`?",
    "string-append":  "write (str a b)",
    "display":        "write (print x)",
    "display-line":   "write (println x)",
    "newline!":       "did you mean `newline`?",
    "append":         "write (concat a b) or (conj coll x)",
    "file-seq":       "listing files is an effect: `ls!` or `glob!` of flow.fs",
    "read-line":      "a run has no terminal: take input with `receive!` of flow.event or as an argument",
    "send-off":       "there are no threads: see `spawn!` and the channels of flow.async",
    "alter":          "a run has one thread: use `swap!` on an atom",
    "commute":        "a run has one thread: use `swap!` on an atom",
    "ref-set":        "a run has one thread: use `reset!` on an atom",
    "monitor-enter":  "a run has one thread; between runs, `with-lock!` of flow.lock",
    "pcalls":         "write (all! ...) of flow.async",
    "pvalues":        "write (all! ...) of flow.async",
    "sleep":          "waiting is an effect: (sleep! #dur \"5s\")",
    "time":           "read the clock with (now!); see `elapsed`",
    "proxy":          "there are no classes: use `reify` with a protocol",
    "deftype":        "there are no classes: use `defrecord`",
    "definterface":   "there are no classes: use `defprotocol`",
    "gen-class":      "there are no classes; any public function can be an entry point",
    "into-array":     "there are no arrays: use a vector",
    "make-array":     "there are no arrays: use a vector",
    "aget":           "there are no arrays: use `nth` on a vector",
    "aset":           "there are no arrays: use `assoc` on a vector",
    "alength":        "there are no arrays: use `count` on a vector",
    "byte-array":     "there are no arrays; bytes are values: #bytes \"...\"",
    "int-array":      "there are no arrays: use a vector",
    "object-array":   "there are no arrays: use a vector",
    "await":          "write (await! fiber)",
    "shutdown-agents": "nothing is to be shut down: leave it out",
    "while-let":      "write (loop [x init] (when x ... (recur next)))",
    "for-each":       "write (doseq [x coll] ...) or (run! f coll)",
    "return":         "the last expression of a function is its value",
    "switch":         "write (case x value result ... default)",
    "unless":         "write (when-not test ...)",
    "print!":         "did you mean `print`?",
}

FOREIGN_CLASSES: dict[str, str] = {
    "Thread/sleep":             "waiting is an effect: (sleep! #dur \"5s\")",
    "System/currentTimeMillis": "reading the clock is an effect: (now!)",
    "System/nanoTime":          "reading the clock is an effect: (now!)",
    "System/getenv":            "the environment is an effect: `env!` of flow.env",
    "System/getProperty":       "the environment is an effect: `env!` of flow.env",
    "System/exit":              "end the program by returning from `main`",
    "Integer/parseInt":         "write (parse-long text)",
    "Long/parseLong":           "write (parse-long text)",
    "Double/parseDouble":       "write (parse-double text)",
    "Boolean/parseBoolean":     "write (parse-boolean text)",
    "UUID/randomUUID":          "a fresh UUID is an effect: (uuid!)",
    "Math/random":              "write (rand)",
    "String/format":            "write (format text arguments ...)",
    "String/valueOf":           "write (str x)",
    "Math/abs":                 "write (abs x)",
    "Math/max":                 "write (max a b)",
    "Math/min":                 "write (min a b)",
    "Instant/now":              "reading the clock is an effect: (now!)",
    "LocalDate/now":            "reading the clock is an effect: (today!) of flow.time",
}
# fmt: on

CLASSES_OF_EVERYTHING = frozenset({"Throwable", "Exception", "Error", "Object", "RuntimeException"})
"""Class names that a catch of every error may have, also with their package in front."""

_PACKAGES = ("java.", "javax.", "clojure.lang.", "js/")
_CLASS = re.compile(r"(?:[a-z][\w]*\.)*[A-Z]\w*(?:Exception|Error|Throwable|ExceptionInfo)\b\Z")
_HOST_CLASS = re.compile(r"(?:[a-z]\w*\.)*[A-Z]\w*\Z")


def is_class_name(text: str) -> bool:
    """Say whether a name can only mean a class of errors of a host language."""
    return text.startswith(_PACKAGES) or _CLASS.match(text) is not None


def looks_like_a_class(text: str) -> bool:
    """Say whether a qualifier or a name is written as classes of a host language are."""
    return text.startswith(_PACKAGES) or _HOST_CLASS.match(text) is not None


def without_package(text: str) -> str:
    """Return ``ArithmeticException`` for ``java.lang.ArithmeticException``."""
    return re.split(r"[./]", text)[-1]


def hint_for_class(qualifier: str, name: str) -> str | None:
    """Return what to write instead of ``Class/name``."""
    plain = without_package(qualifier)
    found = FOREIGN_CLASSES.get(f"{plain}/{name}")
    if found is None and plain == "Math":
        return f"write ({name} ...) of flow.math"
    return found
