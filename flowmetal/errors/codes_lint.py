"""What ``fmc lint`` points at: FM0551 - FM0572. These are warnings; the program compiles.

The explanation of a lint begins with its name, by which a source switches it
off. ``wrong`` is a program in which the lint finds something and ``right``
one in which no lint does; both are tests.
"""

from __future__ import annotations

from flowmetal.errors import ErrorCode

CODES: tuple[ErrorCode, ...] = (
    ErrorCode(
        "FM0551",
        "An effect stands in a lazy sequence",
        "effect-in-lazy-seq: a lazy sequence is computed when somebody looks at it, which may be\n"
        "never, twice as late, or inside of something pure. So no effect may happen there, and\n"
        "the machine refuses it. mapv, run! and doseq go through the items at once.",
        wrong="(ns a (:require [flow.http :as http]))\n"
        "(defn main [& urls]\n  (map http/get! urls))",
        right="(ns a (:require [flow.http :as http]))\n"
        "(defn main [& urls]\n  (mapv http/get! urls))",
    ),
    ErrorCode(
        "FM0552",
        "An effect stands in a function that swap! or sort calls",
        "effect-in-swap: these functions only compute a value, and the machine refuses an effect\n"
        "in them. Perform the effect first and use its result.",
        wrong="(def seen (atom []))\n(defn main []\n  (swap! seen (fn [times] (conj times (now!)))))",
        right="(def seen (atom []))\n"
        "(defn main []\n  (let [time (now!)]\n    (swap! seen (fn [times] (conj times time)))))",
    ),
    ErrorCode(
        "FM0553",
        "A public function performs effects, and its name does not end in !",
        "missing-bang: a name that ends in ! is not pure. The compiler infers which functions may\n"
        "perform effects, through all that they call. main and private functions are free.",
        wrong="(defn nap []\n  (sleep! (flow.time/seconds 1)))\n(defn main [] (nap))",
        right="(defn nap! []\n  (sleep! (flow.time/seconds 1)))\n(defn main [] (nap!))",
    ),
    ErrorCode(
        "FM0554",
        "What memoize remembers has no limit",
        "unbounded-memoize: the results that a memoized function remembers are a part of the run,\n"
        "and so of every snapshot of it. :limit forgets the oldest.",
        wrong="(def square (memoize (fn [x] (* x x))))\n(defn main [] (square 2))",
        right="(def square (memoize (fn [x] (* x x)) :limit 100))\n(defn main [] (square 2))",
    ),
    ErrorCode(
        "FM0555",
        "A number stands where a duration is asked for",
        "number-as-duration: a number does not say whether it means seconds or milliseconds, and\n"
        "is an error when it comes to it.",
        wrong="(defn main []\n  (sleep! 5))",
        right='(defn main []\n  (sleep! #dur "5s"))',
    ),
    ErrorCode(
        "FM0556",
        "A name is bound and never used",
        "unused-binding: of let, loop, for, a pattern or a function inside. A name that begins with\n"
        "_ says that it is not to be used. The parameters of a definition and the error of a\n"
        "catch are free.",
        wrong="(defn main [{:keys [id total]}]\n  (let [tax 19]\n    id))",
        right="(defn main [{:keys [id]}]\n  (let [_tax 19]\n    id))",
    ),
    ErrorCode(
        "FM0557",
        "A namespace is required and never used",
        "unused-require: neither its alias nor a name that is referred to occurs. A namespace that\n"
        "is required by its name alone may be there for what loading it does.",
        wrong="(ns a (:require [flow.string :as str]))\n(defn main [] 1)",
        right='(ns a (:require [flow.string :as str]))\n(defn main [] (str/trim " a "))',
    ),
    ErrorCode(
        "FM0558",
        "A name is referred to and never used",
        "unused-refer: others that :refer of the same namespace lists are used.",
        wrong='(ns a (:require [flow.string :refer [trim join]]))\n(defn main [] (trim " a "))',
        right='(ns a (:require [flow.string :refer [trim]]))\n(defn main [] (trim " a "))',
    ),
    ErrorCode(
        "FM0559",
        "A private definition is never used",
        "unused-private: nothing outside of it names it, and no other namespace can.",
        wrong="(defn- old [x] x)\n(defn main [] 1)",
        right="(defn- twice [x] (* 2 x))\n(defn main [] (twice 1))",
    ),
    ErrorCode(
        "FM0560",
        "A name hides one of flow.core",
        "shadowed-core: a definition takes the place of a function of flow.core without `ns`\n"
        "saying so; or a local of the same name is called, which was bound to something else.",
        wrong="(defn main [name]\n  (name :key))",
        right="(defn main [title]\n  [title (name :key)])",
    ),
    ErrorCode(
        "FM0561",
        "A local function is called with the wrong number of arguments",
        "wrong-arity: the call throws when it comes to it. (For definitions this is an error of\n"
        "the compiler, FM0103.)",
        wrong="(defn main []\n  (let [add (fn [x y] (+ x y))]\n    (add 1)))",
        right="(defn main []\n  (let [add (fn [x y] (+ x y))]\n    (add 1 2)))",
    ),
    ErrorCode(
        "FM0562",
        "Nothing after a throw is evaluated",
        "unreachable-code: forms stand in the same body behind one that always throws.",
        wrong='(defn main []\n  (throw (ex-info "no" {}))\n  (println "never"))',
        right='(defn main []\n  (println "now")\n  (throw (ex-info "no" {})))',
    ),
    ErrorCode(
        "FM0563",
        "A test is always or never true",
        "constant-condition: the test is a literal. The last test of cond may be, as its default,\n"
        "and (while true ...) is a loop without end.",
        wrong="(defn main [x]\n  (if nil x 2))",
        right="(defn main [x]\n  (if (nil? x) x 2))",
    ),
    ErrorCode(
        "FM0564",
        "A test of cond was already made",
        "repeated-condition: the same test stands before it and did not hold, so neither does this.",
        wrong="(defn main [x]\n  (cond (pos? x) 1 (pos? x) 2 :else 3))",
        right="(defn main [x]\n  (cond (pos? x) 1 (neg? x) 2 :else 3))",
    ),
    ErrorCode(
        "FM0565",
        "A do groups nothing",
        "redundant-do: it holds one form or none, or stands in a body, which may have several forms.",
        wrong="(defn main [x]\n  (when x\n    (do (println x) x)))",
        right="(defn main [x]\n  (when x\n    (println x)\n    x))",
    ),
    ErrorCode(
        "FM0566",
        "A let is not needed",
        "redundant-let: it binds nothing, or is all that the let around it does.",
        wrong="(defn main []\n  (let [a 1]\n    (let [b 2]\n      (+ a b))))",
        right="(defn main []\n  (let [a 1\n        b 2]\n    (+ a b)))",
    ),
    ErrorCode(
        "FM0567",
        "A value is compared with nil by =",
        "compared-with-nil: nil? and some? say it shorter.",
        wrong="(defn main [x]\n  (= x nil))",
        right="(defn main [x]\n  (nil? x))",
    ),
    ErrorCode(
        "FM0568",
        "A docstring stands behind the parameters",
        "misplaced-docstring: there it is an expression without a use. It belongs before the\n"
        "parameters.",
        wrong='(defn main [x]\n  "Return x."\n  x)',
        right='(defn main\n  "Return x."\n  [x]\n  x)',
    ),
    ErrorCode(
        "FM0569",
        "A value is computed and not used",
        "unused-value: the form only returns a value, and stands where nobody takes it. A lazy\n"
        "sequence there is never even computed: write doseq or run!.",
        wrong="(defn main [xs]\n  (map println xs)\n  :done)",
        right="(defn main [xs]\n  (run! println xs)\n  :done)",
    ),
    ErrorCode(
        "FM0570",
        "A definition stands inside a function",
        "inner-def: it changes a var of the namespace each time the function is called. let and\n"
        "letfn bind names of the function itself.",
        wrong="(defn main [x]\n  (def y (inc x))\n  y)",
        right="(defn main [x]\n  (let [y (inc x)]\n    y))",
    ),
    ErrorCode(
        "FM0571",
        "What is used here is deprecated",
        "deprecated: its metadata says so with :deprecated, or it is Clojure's name for what is\n"
        "called otherwise here, as future, promise, deliver and pmap are.",
        wrong='(defn ^{:deprecated "use total"} sum [xs] (reduce + xs))\n(defn main [xs] (sum xs))',
        right="(defn total [xs] (reduce + xs))\n(defn main [xs] (total xs))",
    ),
    ErrorCode(
        "FM0572",
        "There is no such lint",
        "unknown-lint: what a source switches off has another name; it is not switched off.",
        wrong=";; lint: ignore unused-bindings\n(defn main [x] x)",
        right=";; lint: ignore unused-binding\n(defn main [x] (let [y 1] x))",
    ),
)
