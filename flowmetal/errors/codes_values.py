"""Complaints about values: FM0301 and FM0320 to FM0339, raised while a program runs.

``wrong`` is a program that raises the code and ``right`` one that does not. FM0330
to FM0332 are raised where values leave or enter a machine; they are what a program
gets as ``:data/not-data`` or what a command says of its input.
"""

from __future__ import annotations

from flowmetal.errors import ErrorCode

CODES: tuple[ErrorCode, ...] = (
    ErrorCode(
        "FM0301",
        "Arithmetic needs numbers",
        "An operator or a comparison of numbers got something else. Strings that look like numbers are\n"
        "no numbers: convert them with parse-long or parse-double. `true` is no 1. Type :type/mismatch.",
        wrong='(+ 1 "2")',
        right='(+ 1 (parse-long "2"))',
    ),
    ErrorCode(
        "FM0320",
        "Division by zero",
        "Integers, ratios and decimals cannot be divided by zero, and `quot`, `rem` and `mod` cannot\n"
        "with floats either; `/` with a float gives ##Inf or ##NaN. Type :arithmetic/divide-by-zero.",
        wrong="(/ 1 0)",
        right="(/ 1.0 0)",
    ),
    ErrorCode(
        "FM0321",
        "A number is too large",
        "Integers have at most 65,536 bits (about 19,700 digits), decimals as many digits. A result that\n"
        "would be larger fails before it is computed. Type :limit/bits; `--limit bits=N` raises the limit.",
        wrong="(reduce * (repeat 70000 2))",
        right="(reduce * (repeat 60000 2))",
    ),
    ErrorCode(
        "FM0322",
        "There is no such index",
        "Indexes count from 0, and `assoc` may name the one after the last. `get` and `nth` with a third\n"
        "argument return that instead of this error. Type :index/out-of-bounds.",
        wrong="(nth [1 2 3] 3)",
        right="(nth [1 2 3] 3 nil)",
    ),
    ErrorCode(
        "FM0323",
        "A collection is needed",
        "Functions over sequences take lists, vectors, maps, sets, strings, bytes, sequences and nil.\n"
        "A number, a keyword or a function has no elements. Type :type/mismatch.",
        wrong="(first 5)",
        right="(first [5])",
    ),
    ErrorCode(
        "FM0324",
        "A sequence has no end",
        "`count` was asked for the length of a sequence that is known to go on for ever. Cut it first,\n"
        "with `take` or `take-while`. Type :type/mismatch.",
        wrong="(count (range))",
        right="(count (take 10 (range)))",
    ),
    ErrorCode(
        "FM0325",
        "There is no exact result",
        "Decimals are never rounded silently: a quotient such as 1M/3 has no end and is an error. Divide\n"
        "integers (a ratio is exact), or floats. Infinite numbers and ##NaN have no integer part.\n"
        "Type :arithmetic/inexact.",
        wrong="(/ 1M 3)",
        right="(/ 1 3)",
    ),
    ErrorCode(
        "FM0326",
        "This text is not a number",
        "A number was asked for and the text spells none. parse-long and parse-double return nil in that\n"
        "case. Type :parse/number.",
        wrong='(bigdec "1,5")',
        right='(bigdec "1.5")',
    ),
    ErrorCode(
        "FM0327",
        "Two values have no order",
        "Numbers compare with numbers, strings with strings, and so on; vectors by length and then element\n"
        "by element; nil comes before everything. Maps, sets, lists and functions have no order: sort them\n"
        "by a key. Type :type/mismatch.",
        wrong='(sort [1 "a"])',
        right='(sort-by str [1 "a"])',
    ),
    ErrorCode(
        "FM0330",
        "This is not data",
        "Only data leaves a machine: as the argument of an effect, as a result, as JSON. Functions, atoms,\n"
        "fibers and lazy sequences without an end are not data. The message says where in the value it\n"
        "stands.",
        wrong="(defn main [] (atom 1))",
        right="(defn main [] @(atom 1))",
    ),
    ErrorCode(
        "FM0331",
        "Bytes are not data",
        "Bytes that should hold a value were damaged, cut short, or were written by something else. Nothing\n"
        "of them was taken over. Stored values are written by Flowmetal only.",
        wrong="a file of random bytes where a stored value should be",
        right="the file as it was written",
    ),
    ErrorCode(
        "FM0332",
        "This is not JSON",
        "The text is not JSON, or has a number above 65,536 bits or more than 300 levels of nesting. The\n"
        "message says line and column. NaN and Infinity are not numbers in JSON.",
        wrong="fmvm run orders.flow '{customer: 7}'",
        right="fmvm run orders.flow '{\"customer\": 7}'",
    ),
)
