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
    "double-array":   "there are no arrays: use a vector",
    "long-array":     "there are no arrays: use a vector",
    "float-array":    "there are no arrays: use a vector",
    "short-array":    "there are no arrays: use a vector",
    "boolean-array":  "there are no arrays: use a vector",
    "char-array":     "there are no arrays: write (vec text)",
    "aset-int":       "there are no arrays: use `assoc` on a vector",
    "aset-long":      "there are no arrays: use `assoc` on a vector",
    "aclone":         "there are no arrays, and values never change: leave it out",
    "amap":           "there are no arrays: use `mapv`",
    "areduce":        "there are no arrays: use `reduce`",
    "..":             "there are no methods: chain functions with `->`",
    "memfn":          "there are no methods: write a function, (fn [x] ...)",
    "read":           "write (read-string text)",
    "compile":        "compile a program with `fmc compile`",
    "load":           "require the namespace in the `ns` form",
    "load-file":      "require the namespace in the `ns` form; the REPL has `load-file`",
    "load-reader":    "write (load-string text)",
    "with-local-vars": "bind values with `let`, state with an `atom` or a `volatile!`",
    "send":           "there are no threads: see `spawn!` and the channels of flow.async",
    "send-via":       "there are no threads: see `spawn!` and the channels of flow.async",
    "future-call":    "write (spawn! f)",
    "future-cancel":  "write (cancel! fiber reason) of flow.async",
    "future-cancelled?": "a cancelled fiber throws :flow/cancelled where it is awaited",
    "future-done?":   "write (await! fiber {:timeout (ms 0) :else nil})",
    "tap>":           "log a line with `info!` of flow.log, or publish an event",
    "add-tap":        "log lines are read with `fmvm events`",
    "remove-tap":     "log lines are read with `fmvm events`",
    "xml-seq":        "walk a tree with (tree-seq map? :content root)",
    "ensure":         "a run has one thread: use an atom",
    "sync":           "a run has one thread: use an atom",
    "bean":           "there are no objects: a record is a map",
    "defstruct":      "there are no structs: use a map, or `defrecord`",
    "struct-map":     "there are no structs: use a map, or `defrecord`",
    "struct":         "there are no structs: use a map, or `defrecord`",
    "create-struct":  "there are no structs: use a map, or `defrecord`",
    "accessor":       "there are no structs: a keyword gets from a map",
    "with-precision": "decimals are exact; round with (format \"%.2f\" x)",
    "remove-ns":      "what a program is made of does not change while it runs",
    "ns-unmap":       "what a program is made of does not change while it runs",
    "ns-unalias":     "what a program is made of does not change while it runs",
    "gen-interface":  "there are no classes: use `defprotocol`",
    "init-proxy":     "there are no classes: use `reify` with a protocol",
    "*in*":           "a run has no terminal: take input with `receive!` of flow.event or as an argument",
    "*agent*":        "there are no agents: see flow.async",
    "release-pending-sends": "there are no agents: leave it out",
    "monitor-exit":   "a run has one thread; between runs, `with-lock!` of flow.lock",
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
    "UUID/randomUUID":          "a fresh UUID is an effect: (uuid!); (random-uuid) is pure",
    "Instant/now":              "reading the clock is an effect: (now!)",
    "LocalDate/now":            "reading the clock is an effect: (today!) of flow.time",
}
# fmt: on

CONSTRUCTIONS: dict[str, str] = {
    # (Class. ...)      help
    "StringBuilder": "collect texts in a vector and join them with (apply str texts)",
    "StringBuffer": "collect texts in a vector and join them with (apply str texts)",
    "StringWriter": "write (with-out-str ...)",
    "StringReader": "a text is read with (read-string text)",
    "ArrayList": "use a vector: (vec coll)",
    "LinkedList": "use a list or a vector",
    "ArrayDeque": "use a vector, or a channel of flow.async",
    "HashMap": "use a map: (into {} entries)",
    "LinkedHashMap": "use a map, which keeps its order: (into {} entries)",
    "TreeMap": "use (sorted-map k v ...)",
    "HashSet": "use a set: (set coll)",
    "LinkedHashSet": "use a set, which keeps its order: (set coll)",
    "TreeSet": "use (sorted-set x ...)",
    "File": "a file is its path, a string: see flow.fs",
    "URL": "an address is a string: see flow.url",
    "URI": "an address is a string: see flow.url",
    "Random": "write (rand) or (rand-int n)",
    "Thread": "there are no threads: see `spawn!` of flow.async",
    "AtomicLong": "use an atom",
    "AtomicInteger": "use an atom",
    "AtomicReference": "use an atom",
    "CountDownLatch": "see the promises and scopes of flow.async",
    "Object": "write (reify)",
    "SimpleDateFormat": "write (time/format instant pattern) of flow.time",
}

METHODS: dict[str, str] = {
    # (.method x ...)   help
    "length": "write (count text)",
    "size": "write (count coll)",
    "isEmpty": "write (empty? x)",
    "toUpperCase": "write (str/upper-case text) of flow.string",
    "toLowerCase": "write (str/lower-case text) of flow.string",
    "trim": "write (str/trim text) of flow.string",
    "contains": "write (str/includes? text part) of flow.string, or (contains? coll x)",
    "containsKey": "write (contains? m k)",
    "startsWith": "write (str/starts-with? text part) of flow.string",
    "endsWith": "write (str/ends-with? text part) of flow.string",
    "indexOf": "write (str/index-of text part) of flow.string",
    "lastIndexOf": "write (str/last-index-of text part) of flow.string",
    "replace": "write (str/replace text part by) of flow.string",
    "replaceAll": 'write (str/replace text #"..." by) of flow.string',
    "split": 'write (str/split text #"...") of flow.string',
    "substring": "write (subs text from to)",
    "charAt": "write (nth text n)",
    "concat": "write (str a b)",
    "repeat": "write (apply str (repeat n text))",
    "getBytes": "write (utf8-bytes text) of flow.string",
    "toString": "write (str x)",
    "equals": "write (= a b)",
    "hashCode": "write (hash x)",
    "compareTo": "write (compare a b)",
    "getClass": "write (class x)",
    "getName": "write (str class), or (name x) of a keyword",
    "getSimpleName": "write (str class)",
    "getMessage": "write (ex-message e)",
    "getCause": "write (ex-cause e)",
    "getData": "write (ex-data e)",
    "getStackTrace": "the frames of an error are (:frames e)",
    "printStackTrace": "write (println e); an error that nobody catches is shown with its frames",
    "get": "write (get coll k)",
    "getOrDefault": "write (get coll k default)",
    "put": "write (assoc m k v)",
    "add": "write (conj coll x)",
    "remove": "write (dissoc m k) or (disj set x)",
    "keySet": "write (keys m)",
    "entrySet": "write (seq m)",
    "values": "write (vals m)",
    "getKey": "write (key entry)",
    "getValue": "write (val entry)",
    "iterator": "write (seq coll)",
    "hasNext": "write (seq coll)",
    "next": "write (next coll)",
    "nth": "write (nth coll n)",
    "count": "write (count coll)",
    "cons": "write (cons x coll)",
    "invoke": "write (f x)",
    "applyTo": "write (apply f args)",
    "deref": "write (deref x) or @x",
    "getTime": "write (inst-ms x)",
    "toMillis": "write (inst-ms x)",
    "intValue": "write (int x)",
    "longValue": "write (long x)",
    "doubleValue": "write (double x)",
    "sym": "write (symbol v)",
    "ns": "write (namespace (symbol v))",
    "close": "no open handle is ever a value: leave it out",
    "write": "write (print x), or bind *out*",
    "append": "write (str a b), or collect texts in a vector",
    "start": "there are no threads: see `spawn!` of flow.async",
    "run": "write (f)",
    "call": "write (f)",
    "matches": 'write (re-matches #"..." text)',
    "find": "write (re-find matcher)",
    "group": "write (nth (re-groups matcher) n)",
    "meta": "write (meta x)",
    "withMeta": "write (with-meta x m)",
}

CLASSES_OF_EVERYTHING = frozenset({"Throwable", "Exception", "Object"})
"""Class names that a catch of every error may have, also with their package in front."""

_PACKAGES = ("java.", "javax.", "clojure.lang.", "js/")
_CLASS = re.compile(r"(?:[a-z][\w]*\.)*[A-Z]\w*(?:Exception|Error|Throwable|ExceptionInfo)\b\Z")
_HOST_CLASS = re.compile(r"(?:[a-z]\w*\.)*[A-Z]\w*\Z")


def is_class_name(text: str) -> bool:
    """Say whether a name can only mean a class of errors of a host language."""
    return text.startswith(_PACKAGES) or _CLASS.match(text) is not None


def is_host_class(text: str) -> bool:
    """Say whether a name is that of a class of a package of the JVM."""
    return text.startswith(_PACKAGES)


def looks_like_a_class(text: str) -> bool:
    """Say whether a qualifier or a name is written as classes of a host language are."""
    return text.startswith(_PACKAGES) or _HOST_CLASS.match(text) is not None


def without_package(text: str) -> str:
    """Return ``ArithmeticException`` for ``java.lang.ArithmeticException``."""
    return re.split(r"[./]", text)[-1]


def hint_for_class(qualifier: str, name: str) -> str | None:
    """Return what to write instead of ``Class/name``."""
    return FOREIGN_CLASSES.get(f"{without_package(qualifier)}/{name}")


def hint_for_method(name: str) -> str | None:
    """Return what to write instead of ``(.name x ...)`` or the field ``(.-name x)``."""
    if name.startswith(".-"):
        return f"a field of a record is (:{name[2:]} x)"
    return METHODS.get(name[1:])
