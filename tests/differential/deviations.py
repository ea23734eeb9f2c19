"""Where Flowmetal means to differ from Clojure. docs/deviations.md explains each title.

``RULES`` rewrite what Clojure prints, for differences that touch every value of
a kind. ``DEVIATIONS`` name the expressions of the corpus whose answers differ; an
expression that agrees again must leave the table.
"""

from __future__ import annotations

import re

# fmt: off
RULES = (
    (re.compile(r"(?<![\w.])(-?\d+)N(?![\w.])"), r"\1"),                              # one kind of integer
    (re.compile(r"\bclojure\.core/"),            "flow.core/"),                       # names of the library
    (re.compile(r"#(differential\.\w+)\.(\w+)\{"), r"#\1/\2{"),                       # a record has a name, no class
)

DEVIATIONS: dict[str, tuple[str, ...]] = {
    "Known difference": (
        "(update-in {:a 1} [] identity)",
        "(walk/postwalk #(if (number? %) (inc %) %) [(->Point 1 2)])",
        "(max (quot (quot -8.0 2.25) (+ 1 12)) (max (mod -8.0 -8.0) (/ -5 1.25M)))",
        "(mod -5 (rem (/ 0.5 0.5) (min 12 -8.0)))",
        "(/ (min (rem 3/4 -1/3) (rem -8.0 2)) -5)",
        "(quot (rem (max 3N 1) (rem 1.25M 1)) 12)",
        "(quot (min (min 12 3N) 1.25M) (min (max 1.25M 1) (quot 3/4 3/4)))",
        "(quot 1.5M -3)",
        "(quot 1.5M 10N)",
        "(rem 1 1.5M)",
        "(rem -2.0 1/2)",
        "(rem -2.0 -2.0)",
        "(rem 0 1.5M)",
        "(mod -2.0 1)",
        "((some-fn even? neg?) 3)",
        "(str/upper-case nil)",
        r'(format "%.3e" 0.00012345)',
        r'(format "%g" 0.0001)',
        r'(re-find #"\u0041" "A")',
        r'(edn/read-string {:default vector} "#foo 1")',
        "(edn/read-string {:readers {'foo inc}} \"#foo 1\")",
    ),
    "One kind of integer": (
        "(int 1e10)",
        "(int? 1N)",
        "(int? 10N)",
        "(pos-int? 10N)",
        "(nat-int? 10N)",
        "(bit-not 10N)",
        r'(format "%x" -1)',
        r'(format "%d" 123456789012345678901234567890)',
    ),
    "Ratios and decimals meet": (
        "(/ (+ (+ -8.0 0) (rem 1.25M -5)) (max -1/3 (- -5 1.25M)))",
        "(- (min (min 1.25M 2) (max 12 1)) (+ (quot 1 1) (max -1/3 1.25M)))",
        "(* (* (quot 3/4 0.5) (max 1.25M -1/3)) 0)",
        "(* (max (min 0.5 -1/3) (/ 12 1.25M)) (- 1 (* 3/4 1)))",
    ),
    "Floats are rounded once": (
        "(mod (rem (min 3N 0.5) 2) (/ (max 0.5 2.25) (quot 1 2)))",
        "(+ (mod (- 2.25 -8.0) (min -1/3 3N)) (- (mod 0 2.25) (/ 1 3/4)))",
        "(+ (* (max 2 1) (mod 0 -8.0)) (mod 2.25 (rem -1/3 3N)))",
        "(/ (min (* 2.25 1) (rem 2.25 3N)) (mod 0 (rem 3/4 1)))",
        "(rem (* (- -1/3 1) (* 2 -1/3)) (- (- -8.0 0) (rem 12 1)))",
        "(rem (min (max -8.0 2.25) (- -1/3 3N)) (min (quot -8.0 1.25M) (min 0.5 3/4)))",
        "(rem (* 2.25 (quot 2.25 -1/3)) -1/3)",
        "(double -7/3)",
        "(float -7/3)",
    ),
    "Arguments are checked": (
        "(nth [1 2 3] 3/2)",
        "(long ##NaN)",
        "(num nil)",
        "(rationalize nil)",
        "(+ nil)",
        "(* nil)",
        "(char 1/2)",
        "(char 2.0)",
        "(char 1.5M)",
    ),
    "Numbers for %f": (
        r'(format "%f" 1)',
    ),
    "What is printed can be read": (
        r'(ex-cause (ex-info "m" {} (ex-info "c" {})))',
        "(char 0)",
        "(char 1)",
        "(char 7)",
        "(every-pred even?)",
        "((map inc) conj)",
        "(reduced 1)",
        "(iteration identity :initk nil)",
        "(doto (atom 1) (reset! 2))",
        r'(str #inst "2024-01-01")',
        "(str (map inc [1 2]))",
        "(str (lazy-seq nil))",
    ),
    "Comparison answers -1, 0 or 1": (
        "(compare {} {})",
        r'(compare "a" "abc")',
        r'(compare "abc" "a")',
        r'(compare "B" "a")',
        r'(compare \a \c)',
    ),
    "Wording of errors": (
        r'(try (assert (= 1 2) "msg") (catch Throwable e (ex-message e)))',
        "(try (assert (= 1 2)) (catch Throwable e (ex-message e)))",
    ),
    "Hashes": (
        "(hash-ordered-coll [1])",
        r'(format "%h" "a")',
    ),
    "Code at run time": (
        "(macroexpand-1 '(my-or 1))",
        "(macroexpand-1 '(when 1 2 3))",
        "(macroexpand '(when-not 1 2))",
        "(macroexpand-1 '(-> 1 inc (+ 2)))",
        "(macroexpand-1 '(foo 1))",
        "(macroexpand-1 '(->> 1 inc (+ 2)))",
        "(eval '(+ 1 2))",
        "(eval 1)",
        "(ns-name *ns*)",
    ),
    "Time is an effect": (
        "(time 1)",
    ),
    "Metadata of vars": (
        "(:doc (meta #'with-doc))",
        "(:dynamic (meta #'*dyn*))",
        "(:arglists (meta #'add))",
        "(:name (meta #'add))",
        "(:private (meta #'hidden))",
        "(:macro (meta #'unless))",
    ),
    "Nothing of the host": (
        "(boolean-array 1)",
        r'(let [m (re-matcher #"\d" "a1")] (re-find m))',
    ),
    "Regular expressions are values": (
        r'(= #"a" #"a")',
    ),
    "Transients are persistent": (
        "(transient '(1))",
    ),
    "Tagged literals are data": (
        r'(edn/read-string "#foo 1")',
    ),
}
# fmt: on


def expected_here(clojure: str) -> str:
    """Return what Clojure's answer is in Flowmetal's notation."""
    for pattern, replacement in RULES:
        clojure = pattern.sub(replacement, clojure)
    return clojure
