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
    (re.compile(r"#object\[clojure\.core\$(\w+) [^\]]*\]"), r"#fn[flow.core/\1]"),    # functions are printed as names
    (re.compile(r"_QMARK_"),                     "?"),
)

DEVIATIONS: dict[str, tuple[str, ...]] = {
    "One kind of integer": (
        r'(int 1e10)',
        r'(int? 1N)',
        r'(int? 10N)',
        r'(pos-int? 10N)',
        r'(nat-int? 10N)',
        r'(bit-not 10N)',
        r'(format "%x" -1)',
        r'(format "%d" 123456789012345678901234567890)',
    ),
    "Ratios and decimals meet": (
        r'(/ (+ (+ -8.0 0) (rem 1.25M -5)) (max -1/3 (- -5 1.25M)))',
        r'(- (min (min 1.25M 2) (max 12 1)) (+ (quot 1 1) (max -1/3 1.25M)))',
        r'(* (* (quot 3/4 0.5) (max 1.25M -1/3)) 0)',
        r'(* (max (min 0.5 -1/3) (/ 12 1.25M)) (- 1 (* 3/4 1)))',
    ),
    "Floats are rounded once": (
        r'(mod (rem (min 3N 0.5) 2) (/ (max 0.5 2.25) (quot 1 2)))',
        r'(+ (mod (- 2.25 -8.0) (min -1/3 3N)) (- (mod 0 2.25) (/ 1 3/4)))',
        r'(+ (* (max 2 1) (mod 0 -8.0)) (mod 2.25 (rem -1/3 3N)))',
        r'(/ (min (* 2.25 1) (rem 2.25 3N)) (mod 0 (rem 3/4 1)))',
        r'(rem (* (- -1/3 1) (* 2 -1/3)) (- (- -8.0 0) (rem 12 1)))',
        r'(rem (min (max -8.0 2.25) (- -1/3 3N)) (min (quot -8.0 1.25M) (min 0.5 3/4)))',
        r'(rem (* 2.25 (quot 2.25 -1/3)) -1/3)',
        r'(double -7/3)',
        r'(float -7/3)',
    ),
    "Arguments are checked": (
        r'(nth [1 2 3] 3/2)',
        r'(long ##NaN)',
        r'(num nil)',
        r'(rationalize nil)',
        r'(+ nil)',
        r'(* nil)',
        r'(char 1/2)',
        r'(char 2.0)',
        r'(char 1.5M)',
        r'(get "abc" 1.5)',
        r'(tagged-literal nil 1)',
        r'(sort-by "ab" "b")',
        r'(with-meta even? nil)',
    ),
    "What is printed can be read": (
        r'(ex-cause (ex-info "m" {} (ex-info "c" {})))',
        r'(char 0)',
        r'(char 1)',
        r'(char 7)',
        r'(every-pred even?)',
        r'((map inc) conj)',
        r'(reduced 1)',
        r'(str/join inc [1 2])',
        r'(iteration identity :initk nil)',
        r'(doto (atom 1) (reset! 2))',
        r'(str #inst "2024-01-01")',
        r'(str (map inc [1 2]))',
        r'(str (lazy-seq nil))',
        r'(pr-str "\u0000\u001b\u007f")',
        r'(pr-str (atom 1) 1)',
    ),
    "Comparison answers -1, 0 or 1": (
        r'(compare {} {})',
        r'(compare "a" "abc")',
        r'(compare "abc" "a")',
        r'(compare "B" "a")',
        r'(compare \a \c)',
        r'(compare "é" "e")',
    ),
    "Hashes": (
        r'(hash-ordered-coll [1])',
        r'(format "%h" "a")',
    ),
    "Time is an effect": (
        r'(time 1)',
    ),
    "Nothing of the host": (
        r'(boolean-array 1)',
    ),
    "Regular expressions are values": (
        r'(= #"a" #"a")',
    ),
    "Tagged literals are data": (
        r'(edn/read-string "#foo 1")',
    ),
    "Regular expressions take bounded time": (
        r'(re-find #"(a*)*" "aa")',
        r'(re-find #"(a*)*" "aab")',
        r'(re-find #"(a*)+" "aab")',
        r'(re-find #"(a|b*)*c" "abc")',
    ),
    "EDN is what is printed": (
        r"""(edn/read-string "'a")""",
        r'(edn/read-string "#\"a\"")',
        r'(edn/read-string "a/b/c")',
    ),
    "Where Clojure refuses for the host's sake": (
        r'(nthrest nil nil)',
        r'(str/escape {:a 1} :a)',
        r'(str/split "ab" "b")',
        r'((juxt) 1)',
        r'(format "%c" 97)',
        r'(format "%-d" 1)',
        r'(str/split "a,b" ",")',
        r'(str/replace "ab" \a "x")',
        r'(format "%f" 1)',
    ),
    "Corners of strings": (
        r'(str/index-of "abc" "" 10)',
        r'(format "%.2f" nil)',
    ),
}
# fmt: on


def expected_here(clojure: str) -> str:
    """Return what Clojure's answer is in Flowmetal's notation."""
    for pattern, replacement in RULES:
        clojure = pattern.sub(replacement, clojure)
    return clojure
