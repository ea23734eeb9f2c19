"""Names of the JVM that portable code uses and that mean something pure here.

Host interop is not part of the language. But ``Math/sqrt``, ``Long/MAX_VALUE``
and ``(IllegalStateException. "message")`` are names for what the library has,
and programs that want to run anywhere use them. ``statics.py`` has the static members
that they use most; here are more functions and constants of classes, and the functions
that stand for constructors. A method, ``(.length s)``, stays refused: its name does not
say of what type it is.
"""

from __future__ import annotations

from typing import Final

from flowmetal.compiler.forms import CORE
from flowmetal.values import Value

# fmt: off
_FUNCTIONS = """
    Math/random             rand
    Math/incrementExact     inc
    Math/decrementExact     dec
    Math/negateExact        -
    Long/decode             read-string
    Long/signum             -signum
    Long/sum                +
    Long/max                max
    Long/min                min
    Integer/signum          -signum
    Integer/sum             +
    Integer/max             max
    Integer/min             min
    BigInteger/valueOf      bigint
    BigDecimal/valueOf      bigdec
    Float/valueOf           -parse-float
    Boolean/toString        str
    UUID/fromString         -parsed-uuid
    Pattern/compile         re-pattern
    Pattern/quote           -quoted-pattern
    Pattern/matches         -matches-whole?
    MapEntry/create         map-entry
    Objects/equals          =
    Objects/hash            hash
"""
# fmt: on

FUNCTIONS: Final[dict[str, str]] = {
    written: name if "/" in name else f"{CORE}/{name}"
    for written, name in (line.split() for line in _FUNCTIONS.split("\n") if line)
}
"""``Class/function``, the class without its package, and the var that it is here."""

CONSTANTS: Final[dict[str, Value]] = {
    "Short/MAX_VALUE": 32767,
    "Short/MIN_VALUE": -32768,
    "Byte/MAX_VALUE": 127,
    "Byte/MIN_VALUE": -128,
    "Float/MAX_VALUE": 3.4028234663852886e38,
    "Float/MIN_VALUE": 1.401298464324817e-45,
    "Float/POSITIVE_INFINITY": float("inf"),
    "Float/NEGATIVE_INFINITY": float("-inf"),
    "Float/NaN": float("nan"),
}

CONSTRUCTORS: Final[dict[str, str]] = {
    # class                    function
    "java.lang.String": f"{CORE}/str",
    "java.lang.Object": f"{CORE}/-object",
    "java.lang.Long": f"{CORE}/-parse-integer",
    "java.lang.Integer": f"{CORE}/-parse-integer",
    "java.lang.Double": f"{CORE}/-parse-float",
    "java.lang.Float": f"{CORE}/-parse-float",
    "java.lang.Boolean": f"{CORE}/-parse-truth",
    "java.math.BigInteger": f"{CORE}/-parse-integer",
    "java.math.BigDecimal": f"{CORE}/bigdec",
    "java.util.Date": f"{CORE}/-instant-of",
    "clojure.lang.ExceptionInfo": f"{CORE}/ex-info",
    "clojure.lang.MapEntry": f"{CORE}/map-entry",
}
