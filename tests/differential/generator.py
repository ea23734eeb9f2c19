"""Expressions that nobody would write by hand, from a fixed seed.

``numbers`` crosses every operator with every kind of number and its edges; ``edges``
calls every function with arguments it was not made for;
``nested`` nests arithmetic, and pipelines of collection functions, at random.
Results that Clojure orders by hash are sorted inside the expression.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product

from tests.differential.cases import HERE

SEED = 20240229
NESTED = 500

# fmt: off
NUMBERS = ("0", "1", "-3", "7", "1/2", "-7/3", "2.0", "-0.5", "1.5M", "10N", "nil", '"a"')
PAIRS = ("1", "-3", "7", "1/2", "2.5", "-2.0", "1.5M", "10N", "0", "0.0")
BINARY = ("+", "-", "*", "/", "quot", "rem", "mod", "<", "==", "=", "max", "compare")
UNARY = (
    "-", "/", "inc", "dec", "abs", "zero?", "pos?", "neg?", "even?", "odd?", "int", "long", "double",
    "float", "num", "bigint", "bigdec", "rationalize", "number?", "integer?", "int?", "float?", "double?",
    "ratio?", "rational?", "decimal?", "pos-int?", "nat-int?", "neg-int?", "str", "+", "*", "<", "=", "boolean",
    "numerator", "denominator", "NaN?", "infinite?", "identity", "char", "bit-not",
)
SPECIAL = ("##Inf", "##-Inf", "##NaN", "0.0", "-0.0", "1e100", "1e-7", "1e7", "123456789.125", "1e21", "0.1", "100.0")
BITS = ("bit-and", "bit-or", "bit-xor", "bit-and-not", "bit-shift-left", "bit-shift-right", "bit-test", "bit-set", "bit-clear", "bit-flip", "unsigned-bit-shift-right")
LITERALS = (
    "1", "+1", "-1", "0x1F", "-0xff", "017", "2r101", "36rZz", "1N", "1.5M", "1M", "1e3", "1E-3", "1.", "1/2", "2/4", "4/2", "-1/2", "0/5", "1/0",
    "1e400", "0.1", "1.0E10", "123456789012345678901234567890", "1.10M", "1e5M", "0.000001", "0.0001", "0.001", "1234567.0", "12345678.0", "-0.0", "08", "1x", "1.2.3",
    "(+)", "(*)", "(-)", "(/)", "(+ 0.1 0.2)", "(/ 1 3.0)", "(/ 10 4)", "(/ 10 5)", "(* 1.0 0)", "(+ 1/2 1/2)", "(* 2 1/2)", "(- 1/2 1/2)", "(/ 0 5)", "(/ 0.0 0)",
    "(/ 1.0 0)", "(/ -1.0 0)", "(+ 1 2 3 4 5)", "(- 10 1 2 3)", "(/ 100 2 5)", "(* 1 2 3 4)", "(< 1 2 3)", "(< 1 3 2)", "(<= 1 1 2)", "(>= 3 2 2)", "(> 3 2 1)", "(<)", "(max 1 2 3)",
    "(min 1 2.0)", "(max 1 2.0 3)", "(max)", "(max 1 ##NaN)", "(min 1/2 0.25)", "(== 1/2 0.5)", "(= 1/2 0.5)", "(= 1N 1)", "(= 1M 1)", "(= 1.0M 1.00M)", "(== 1.0M 1.00M)", "(= 0.0 -0.0)", "(= ##NaN ##NaN)",
    "(+ 1M 1/2)", "(+ 1M 0.5)", "(* 1.5M 2)", "(/ 1M 3)", "(/ 1M 4)", "(/ 10M 2.5M)", "(- 1.50M 1.50M)", "(quot 7.5 2)", "(rem -7 3)", "(mod -7 3)", "(mod 7 -3)", "(quot -7 3)", "(mod -7.5 2)", "(mod 1/2 1/3)", "(rem 1/2 1/3)",
    "(quot 5M 2M)", "(int 3.99)", "(int -3.99)", "(int 7/2)", "(long 1e10)", "(double 1/3)", "(float 0.1)", "(int \\a)", "(long \"1\")", "(int 1e10)", "(long ##NaN)", "(long ##Inf)", "(rationalize 0.5)", "(rationalize 1.3)",
    "(bigint 1.9)", "(bigdec 0.1)", "(bigdec 1/4)", "(numerator 6/4)", "(denominator 6/4)", "(reduce * (range 1N 25))", "(reduce + (range 101))", "(apply * (repeat 10 2))", "(apply + (map / (range 1 6)))", "(str 1e3)",
    "(zero? 0.0)", "(zero? 0M)", "(pos? 1/2)", "(even? 1.5)", "(odd? -1)", "(even? 10N)", "(inc 1.5M)", "(dec 1/2)", "(inc 9007199254740993)", "(* 9999999999 9999)", "(rand-int 0)", "(+ nil 1)", "(+ :a 1)", "(< 1 nil)", "(= 1 nil)",
    "(+ \"1\" 2)", "(inc [])", "(max \"a\" 1)", "(abs -5)", "(abs -1/2)", "(abs -1.5M)", "(abs nil)", "(compare 1 1.0)", "(compare 2 1)", "(sort [3 1.5 1/2 2N 0.1M])", "(hash-map 1 :a 1.0 :b)", "(quot 1 0)", "(mod 1 0)", "(rem 1.0 0)", "(mod 5 0.0)",
    "(+' 1 2)", "(inc' 1)", "(*' 2 3)", "(-' 1)", "(dec' 1)", "(unchecked-add 1 2)", "(unchecked-inc 1)", "[1 1.0 1N 1M 1/2]", "(== 1)", "(pos? nil)", "(number? nil)", "(int? 1N)", "(integer? 1N)", "(int nil)", "(format \"%.3f\" (/ 1 3.0))", "(vec (range 0.0 0.5 0.1))",
)

LEAVES = ("0", "1", "2", "-5", "12", "3/4", "-1/3", "0.5", "2.25", "-8.0", "1.25M", "3N")
CALCULATIONS = ("+", "-", "*", "/", "quot", "rem", "mod", "max", "min")
SOURCES = (
    "(range 10)", "[3 1 4 1 5 9 2 6]", "'(5 -2 0 7)", "nil", "[]", "(list 1 2 3)", "(take 6 (iterate #(* 2 %) 1))", "(take 7 (cycle [1 2 3]))",
    "(sorted-set 5 3 9)", "(vals {:a 3 :b 1 :c 2})", "(repeat 4 2)", "(subvec [0 1 2 3 4 5] 1 5)", "(map #(- 5 %) (range 8))", "(concat [1 2] nil '(3))",
)
STAGES = (
    "(map inc)", "(map #(* % %))", "(filter even?)", "(remove odd?)", "(take 3)", "(drop 2)", "(take-while #(< % 5))", "(drop-while neg?)", "(keep #(when (> % 2) (dec %)))",
    "(distinct)", "(dedupe)", "(take-nth 2)", "(map-indexed +)", "(mapcat (fn [x] [x (- x)]))", "(interpose 0)", "(keep-indexed (fn [i x] (when (even? i) x)))",
)
LAST_ONLY = ("(sort)", "(sort >)", "(sort-by -)", "(reverse)", "(take-last 2)", "(drop-last 1)", "(butlast)", "(rest)", "(next)", "(cons 9)", "(concat [7 7])", "(reductions +)", "(interleave (range))", "(into [])", "(into '())")
ENDINGS = (
    "", "(reduce +)", "(apply +)", "(count)", "(first)", "(last)", "(vec)", "(partition 2)", "(partition-all 3)", "(partition-by even?)", "(apply max 0)", "(group-by even?)", "(frequencies)", "(split-at 2)",
    "(zipmap [:a :b :c])", "(into (sorted-set))", "(map vector (range))", "(every? pos?)", "(some #{2 3})", "(str/join \"-\")", "(apply str)", "(mapv str)", "(reduce conj ())", "(split-with pos?)", "(nth 1)", "(second)", "(partition 2 1)", "(apply list)", "(not-empty)", "(seq)", "(set)",
    "(reduce (fn [a x] (if (> a 20) (reduced [:stopped a]) (+ a x))) 0)", "(apply hash-map)", "(into {} (map (juxt identity str)))", "(map (juxt inc dec))", "(interpose :x)", "(apply map vector [[1 2]])", "(empty?)", "(apply <)", "(apply distinct? 1)",
)
EDGE_NAMES = ["-", "-'", "/", "<", "<=", "=", "==", ">", ">=", "abs", "any?", "array-map", "assoc", "assoc-in", "associative?", "bigdec", "bigint", "bit-and", "bit-and-not", "bit-clear", "bit-flip", "bit-not", "bit-or", "bit-set", "bit-shift-left", "bit-shift-right", "bit-test", "bit-xor", "boolean", "boolean?", "bounded-count", "butlast", "char?", "coll?", "concat", "conj", "cons", "contains?", "count", "counted?", "dec", "dec'", "decimal?", "delay?", "denominator", "disj", "dissoc", "distinct?", "double", "double?", "drop-last", "empty", "empty?", "even?", "every?", "ex-cause", "ex-data", "ex-message", "false?", "ffirst", "filterv", "find", "first", "flatten", "float", "float?", "fn?", "fnext", "frequencies", "future?", "get", "get-in", "group-by", "hash-map", "hash-set", "ident?", "identical?", "identity", "ifn?", "inc", "inc'", "indexed?", "instance?", "int", "int?", "integer?", "interleave", "into", "key", "keys", "keyword", "keyword?", "last", "list", "list*", "list?", "long", "map-entry?", "map?", "mapv", "max", "max-key", "merge", "merge-with", "min", "min-key", "mod", "name", "namespace", "nat-int?", "neg-int?", "neg?", "next", "nfirst", "nil?", "nnext", "not", "not-any?", "not-empty", "not-every?", "not=", "nth", "nthrest", "number?", "numerator", "odd?", "parse-boolean", "parse-double", "parse-long", "", "peek", "pop", "pos-int?", "pos?", "qualified-ident?", "qualified-keyword?", "qualified-symbol?", "quot", "range", "ratio?", "rational?", "reader-conditional?", "realized?", "record?", "reduce", "reduce-kv", "reduced?", "reductions", "rem", "repeat", "rest", "reverse", "reversible?", "rseq", "rsubseq", "second", "select-keys", "seq", "seq?", "seqable?", "sequential?", "set", "set?", "simple-ident?", "simple-keyword?", "simple-symbol?", "some", "some?", "sort-by", "sorted-map", "sorted-map-by", "sorted-set", "sorted-set-by", "sorted?", "split-at", "split-with", "string?", "subs", "subseq", "subvec", "symbol?", "tagged-literal?", "take-last", "transduce", "tree-seq", "true?", "unreduced", "unsigned-bit-shift-right", "update", "update-in", "uuid?", "val", "vals", "vary-meta", "vec", "vector", "vector?", "volatile?", "with-meta", "zero?", "zipmap", "str/blank?", "str/capitalize", "str/ends-with?", "str/escape", "str/includes?", "str/index-of", "str/join", "str/last-index-of", "str/lower-case", "str/re-quote-replacement", "str/replace", "str/replace-first", "str/reverse", "str/split", "str/split-lines", "str/starts-with?", "str/trim", "str/trim-newline", "str/triml", "str/trimr", "str/upper-case", "set/difference", "set/index", "set/intersection", "set/join", "set/map-invert", "set/project", "set/rename", "set/rename-keys", "set/select", "set/subset?", "set/superset?", "set/union", "walk/keywordize-keys", "walk/postwalk", "walk/postwalk-replace", "walk/prewalk", "walk/prewalk-replace", "walk/stringify-keys", "walk/walk"]
EDGE_VALUES = ("nil", "0", "-1", '"ab"', ":k", "[3 1 2]", "{:a 1}", "'(1 2)")
EDGE_PAIRS = (("nil", "nil"), ("0", "[1 2]"), ("[1 2]", "1"), ("{:a 1}", ":a"), ("inc", "[1 2]"), ("even?", "nil"), (":a", '"ab"'), ('"ab"', '"b"'))
# fmt: on


def edges() -> Iterator[str]:
    """Yield the functions of the library called with what they were not made for."""
    for name in EDGE_NAMES:
        yield from (f"({name} {value})" for value in EDGE_VALUES)
        yield from (f"({name} {left} {right})" for left, right in EDGE_PAIRS)


def numbers() -> Iterator[str]:
    """Yield the table of operators and kinds of numbers."""
    yield from LITERALS
    for operator, value in product(UNARY, NUMBERS):
        yield f"({operator} {value})"
    for operator, left, right in product(BINARY, PAIRS, PAIRS):
        if (PAIRS.index(left) + PAIRS.index(right) + BINARY.index(operator)) % 2:
            yield f"({operator} {left} {right})"
    for special in SPECIAL:
        yield special
        for operator in ("+ 1", "* -1", "/ 1", "< 0", "max 1", "str"):
            yield f"({operator} {special})"
    for operator, (left, right) in product(
        BITS, (("12", "3"), ("-8", "1"), ("255", "4"), ("1", "1.0"))
    ):
        yield f"({operator} {left} {right})"


def nested() -> Iterator[str]:
    """Yield random arithmetic and random pipelines, in turn."""
    chance = random.Random(SEED)
    for index in range(NESTED):
        yield _arithmetic(chance, 3) if index % 2 else _pipeline(chance)


def _arithmetic(chance: random.Random, depth: int) -> str:
    if depth == 0 or chance.random() < 0.2:
        return chance.choice(LEAVES)
    arguments = [_arithmetic(chance, depth - 1) for _ in range(2)]
    return f"({chance.choice(CALCULATIONS)} {' '.join(arguments)})"


def _pipeline(chance: random.Random) -> str:
    source, ending = chance.choice(SOURCES), chance.choice(ENDINGS)
    stages = [chance.choice(STAGES) for _ in range(chance.randint(1, 3))]
    if chance.random() < 0.3:
        return f"(->> (into [] (comp {' '.join(stages)}) {source}) {ending})".replace(" )", ")")
    stages = [
        chance.choice(LAST_ONLY)
        if chance.random() < 0.3 or stage in ("(distinct)", "(dedupe)")
        else stage
        for stage in stages
    ]
    return f"(->> {source} {' '.join(stages)} {ending})".replace(" )", ")")


def write_generated() -> None:
    """Write the generated files of the corpus."""
    for name, lines in (("edges", edges()), ("numbers", numbers()), ("nested", nested())):
        heading = "; Written by generator.py\n"
        text = heading + "\n".join(dict.fromkeys(lines)) + "\n"
        (HERE / "corpus" / f"{name}.clj").write_text(text, "utf-8")
