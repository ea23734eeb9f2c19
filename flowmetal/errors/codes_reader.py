"""Complaints of the reader: FM00xx, and FM1304 for files that are not text.

``wrong`` is a text that raises the code and ``right`` one that does not; both are tests.
"""

from __future__ import annotations

from flowmetal.errors import ErrorCode

CODES: tuple[ErrorCode, ...] = (
    ErrorCode(
        "FM0001",
        "A character cannot stand here",
        "Names and numbers are made of visible characters. Control characters, invisible ones\n"
        "such as U+200B, and half surrogate pairs may stand only in strings (as escapes).",
        wrong="(def a\u200bb 1)",
        right="(def ab 1)",
    ),
    ErrorCode(
        "FM0002",
        "A closing bracket has no opening one",
        "All brackets before this one were closed already. Either it is one too many, or one\n"
        "before it closed more than it was meant to.",
        wrong="(def a 1))",
        right="(def a 1)",
    ),
    ErrorCode(
        "FM0010",
        "A bracket is closed by one of another kind",
        "Round brackets close round ones, square close square, curly close curly. The second\n"
        "place is the bracket that was open.",
        wrong="(def a [1 2)",
        right="(def a [1 2])",
    ),
    ErrorCode(
        "FM0011",
        "A bracket is never closed",
        "The text ended, or a new form began in column 1, while this bracket was open. The second\n"
        "place is where the indentation says that it should have been closed.",
        wrong="(defn f [x]\n  (inc x)\n\n(f 1)",
        right="(defn f [x]\n  (inc x))\n\n(f 1)",
    ),
    ErrorCode(
        "FM0012",
        "A string is never closed",
        'A string goes on over line ends up to the next `"`. A quote inside of it is written `\\"`.',
        wrong='(def greeting "hello)',
        right='(def greeting "hello")',
    ),
    ErrorCode(
        "FM0014",
        "A prefix has no form after it",
        "Quote, syntax quote, unquote, `@`, `#'`, `^`, tags and `#_` belong to the form after them.",
        wrong="(f ')",
        right="(f 'x)",
    ),
    ErrorCode(
        "FM0015",
        "`#` before something unknown",
        "`#` begins sets, function literals, regular expressions, vars, discards, tagged literals,\n"
        "namespaced maps, reader conditionals and symbolic values. Evaluation while reading (`#=`)\n"
        "and values that were printed unreadably (`#<...>`) are not read.",
        wrong="#=(+ 1 2)",
        right="(+ 1 2)",
    ),
    ErrorCode(
        "FM0016",
        "There is no form to read",
        "One form was asked for, and the text has only white space and comments.",
        wrong="; nothing",
        right="nil",
    ),
    ErrorCode(
        "FM0020",
        "Not a number",
        "What begins with a digit (or a sign and a digit) is a number: `12`, `-0xF`, `010` (octal),\n"
        "`2r101`, `1_000`, `1N`, `1/2`, `1.5e-3`, `1.5M`.",
        wrong="12ab",
        right="ab12",
    ),
    ErrorCode(
        "FM0021",
        "A ratio over zero",
        "Nothing can be divided by zero, in a literal neither.",
        wrong="1/0",
        right="0/1",
    ),
    ErrorCode(
        "FM0022",
        "A number is too large",
        "Integers are limited to 65,536 bits, and the exponents of decimals to what can be computed.",
        wrong="1e99999999999999M",
        right="1e9M",
    ),
    ErrorCode(
        "FM0023",
        "An unknown escape in a string",
        'The escapes are \\n \\t \\r \\b \\f \\" \\\\, \\u00e9 with four hexadecimal digits, \\x41 with\n'
        "two, and \\101 with up to three octal ones (to 377). A character beyond U+FFFF is written\n"
        "itself or as a pair of \\u escapes, never as half of one.",
        wrong='"C:\\users"',
        right='"C:\\\\users"',
    ),
    ErrorCode(
        "FM0024",
        "An unknown character",
        "A character is `\\` and the character itself, or \\newline \\space \\tab \\return \\backspace\n"
        "\\formfeed, \\u00e9, or \\o101 (octal).",
        wrong="\\new",
        right="\\newline",
    ),
    ErrorCode(
        "FM0025",
        "Not a name",
        "A symbol or keyword has at most one `/`, with something on both sides, does not end with\n"
        "`:` and does not contain `::`.",
        wrong="shop/",
        right="shop/total",
    ),
    ErrorCode(
        "FM0026",
        "An unknown namespace alias",
        "`::alias/name` and `#::alias{...}` stand for the namespace that this one requires `:as alias`.",
        wrong="::http/timeout",
        right=":flow.http/timeout",
    ),
    ErrorCode(
        "FM0027",
        "An unknown symbolic value",
        "`##` is followed by Inf, -Inf or NaN.",
        wrong="##Infinity",
        right="##Inf",
    ),
    ErrorCode(
        "FM0029",
        "A tag cannot read its form",
        "A tagged literal is read by the function of its tag, and that refused the form.",
        wrong='#dur "soon"',
        right='#dur "1h30m"',
    ),
    ErrorCode(
        "FM0031",
        "A map has a key without a value",
        "The forms in a map literal are keys and values in turn.",
        wrong="{:a 1 :b}",
        right="{:a 1 :b 2}",
    ),
    ErrorCode(
        "FM0032",
        "A key is twice in a map",
        "One of the two values would be lost. Both places are shown.",
        wrong="{:a 1 :a 2}",
        right="{:a 1 :b 2}",
    ),
    ErrorCode(
        "FM0033",
        "An element is twice in a set",
        "A set holds each element once. Both places are shown.",
        wrong="#{1 2 1}",
        right="#{1 2}",
    ),
    ErrorCode(
        "FM0034",
        "Not a namespaced map",
        "`#:name{...}` puts a namespace on the keys of the map literal after it.",
        wrong="#:shop [:a 1]",
        right="#:shop{:a 1}",
    ),
    ErrorCode(
        "FM0035",
        "Metadata or a var where it cannot be",
        "Metadata is a map, keyword, symbol, string or vector, and goes on symbols and collections;\n"
        "`#'` goes before a symbol.",
        wrong="^:private 1",
        right="^:private one",
    ),
    ErrorCode(
        "FM0040",
        "A function literal inside another",
        "It would not be clear whose `%` is meant.",
        wrong="#(map #(inc %) %)",
        right="#(map (fn [x] (inc x)) %)",
    ),
    ErrorCode(
        "FM0041",
        "Not an argument of a function literal",
        "Inside `#()` the arguments are `%` or `%1`, `%2` to `%20`, and `%&` for the rest.",
        wrong="#(inc %x)",
        right="#(inc %)",
    ),
    ErrorCode(
        "FM0042",
        "A splice without a collection around it",
        "`~@` puts the elements of a sequence into the list, vector, map or set around it.",
        wrong="`~@xs",
        right="`(~@xs)",
    ),
    ErrorCode(
        "FM0043",
        "Not a reader conditional",
        "`#?(:flow a :default b)` holds features and forms in turn; the first feature that this\n"
        "reader has, or `:default`, counts.",
        wrong="#?(:flow 1 :clj)",
        right="#?(:flow 1 :clj 2)",
    ),
    ErrorCode(
        "FM0044",
        "A splicing reader conditional out of place",
        "`#?@` puts the elements of the list or vector it chooses into the collection around it.",
        wrong="#?@(:flow [1 2])",
        right="[#?@(:flow [1 2])]",
    ),
    ErrorCode(
        "FM0045",
        "Nothing is left for a prefix",
        "A reader conditional chose none of its branches, and a form was needed there.",
        wrong="'#?(:clj 1)",
        right="'#?(:clj 1 :default 2)",
    ),
    ErrorCode(
        "FM0046",
        "Code where data is read",
        "Data has no quotes, `#()`, `@`, reader conditionals or `::`. This is what flow.edn reads.",
        wrong="'x",
        right="x",
    ),
    ErrorCode(
        "FM0047",
        "Syntax quotes nest too deeply",
        "A syntax quote inside a syntax quote makes a template of a template, which grows by a\n"
        "factor each time. More than six levels without an unquote between are not expanded.",
        wrong="```````x",
        right="``x",
    ),
    ErrorCode(
        "FM1304",
        "A source file is not UTF-8",
        "Source files are UTF-8, with or without a byte order mark. The message says which byte is\n"
        "not, counted from 0.",
    ),
)
