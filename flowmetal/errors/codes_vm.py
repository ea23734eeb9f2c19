"""What the machine itself raises in a program: FM0302 - FM0314.

``wrong`` is a program whose run raises the code and ``right`` one that does
not; both are tests.
"""

from __future__ import annotations

from flowmetal.errors import ErrorCode

CODES: tuple[ErrorCode, ...] = (
    ErrorCode(
        "FM0302",
        "What is called is not a function",
        "The first item of a round list is called. Functions, keywords, symbols, maps, sets,\n"
        "vectors and vars can be; numbers, strings, lists and nil cannot. A list of data is\n"
        "written with a quote: '(1 2 3).",
        wrong="(defn main [] (let [x 1] (x 2)))",
        right="(defn main [] (let [x inc] (x 2)))",
    ),
    ErrorCode(
        "FM0303",
        "A call has the wrong number of arguments",
        "The message shows the argument lists that the function has.",
        wrong="(defn main [] (let [f (fn [a b] a)] (f 1)))",
        right="(defn main [] (let [f (fn [a b] a)] (f 1 2)))",
    ),
    ErrorCode(
        "FM0304",
        "A var has no value yet",
        "It was declared, or its definition stands further down and was read too early: a\n"
        "program's definitions are evaluated from the top.",
        wrong="(declare later)\n(def early (inc later))\n(def later 1)\n(defn main [] early)",
        right="(def later 1)\n(def early (inc later))\n(defn main [] early)",
    ),
    ErrorCode(
        "FM0305",
        "A var has no binding here",
        "set! changes the innermost binding of a dynamic var; a var's root value is not changed\n"
        "by it.",
        wrong="(def ^:dynamic *depth* 0)\n(defn main [] (set! *depth* 1))",
        right="(def ^:dynamic *depth* 0)\n(defn main [] (binding [*depth* 0] (set! *depth* 1)))",
    ),
    ErrorCode(
        "FM0306",
        "What is thrown is not an error",
        "throw takes an error; ex-info makes one from a message and a map of data.",
        wrong='(defn main [] (throw "no stock"))',
        right='(defn main [] (try (throw (ex-info "no stock" {})) (catch :default e 0)))',
    ),
    ErrorCode(
        "FM0307",
        "A value is nested too deeply for an operation",
        "Most operations follow data of any depth; this one does not.",
    ),
    ErrorCode(
        "FM0308",
        "Recursion has no end",
        "Calls that are not in tail position may nest a million deep. A call in tail\n"
        "position costs nothing, and neither does recur. Type :limit/frames; `--limit frames=N` raises it.",
    ),
    ErrorCode(
        "FM0309",
        "An evaluation took too long",
        "Macros, queries and expressions evaluated in a copy of a run have a limited number of\n"
        "steps, so that an endless one comes to an end.",
        wrong="(defmacro endless [] (loop [] (recur)))\n(defn main [] (endless))",
        right="(defmacro finite [] 1)\n(defn main [] (finite))",
    ),
    ErrorCode(
        "FM0310",
        "A var is needed",
        "Vars are written #'name.",
        wrong="(defn main [] (var-get 1))",
        right="(def a 1)\n(defn main [] (var-get #'a))",
    ),
    ErrorCode(
        "FM0311",
        "What leaves a program must be data",
        "Arguments of effects and the result of a run leave the machine. Functions, atoms and\n"
        "fibers cannot; lazy sequences are realised first. Pass what the other side needs to\n"
        "know: a name, an id, the value inside.",
        wrong="(defn main [] (atom 1))",
        right="(defn main [] @(atom 1))",
    ),
    ErrorCode(
        "FM0312",
        "The arguments of an effect are a map",
        "perform takes a kind, written as it is, and one map of data.",
        wrong="(defn main [] (perform :time/now [1]))",
        right="(defn main [] (perform :time/now {}))",
    ),
    ErrorCode(
        "FM0313",
        "An effect is refused here",
        "Code that runs at no fixed time, or that may run again, cannot touch the world: the\n"
        "body of a lazy sequence, an initial value, a macro, the function of swap!, a comparator,\n"
        "a query. Perform the effect first, or use an eager form (mapv, run!, doseq, reduce).",
        wrong="(defn main [] (first (map (fn [_] (now!)) [1])))",
        right="(defn main [] (first (mapv (fn [_] (now!)) [1])))",
    ),
    ErrorCode(
        "FM0314",
        "A function of the library's own was not given what it takes",
        "Functions whose names begin with - are what the library is made of. They look at nothing\n"
        "that they are given, and change from version to version. Call the public function.",
        wrong="(defn main [] (#'flow.core/-intern! 1 2))",
        right="(defn main [] (intern 'user 'x 2))",
    ),
    ErrorCode(
        "FM0342",
        "There is no such restart",
        "A restart is offered while the body of its with-restart is evaluated. (restarts) says what is\noffered at a point, `fmvm show` what a failed run offers.",
        wrong="(defn main [] (invoke-restart :skip))",
        right='(defn main [] (with-restart [:skip "leave it out" (fn [] nil)] (invoke-restart :skip)))',
    ),
)
