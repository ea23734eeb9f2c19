"""Names of the JVM that portable code uses and that mean something pure here.

Host interop is not part of the language. But ``Math/sqrt``, ``Long/MAX_VALUE``
and ``(IllegalStateException. "message")`` are names for what the library has,
and programs that want to run anywhere use them. Three tables say which: functions
of classes, constants of classes, and functions that stand for constructors. A
method, ``(.length s)``, stays refused: its name does not say of what type it is.
"""

from __future__ import annotations

from typing import Final

from flowmetal.compiler.forms import CORE
from flowmetal.values import Value

_LONG_MAX = (1 << 63) - 1
_INT_MAX = (1 << 31) - 1

# fmt: off
_FUNCTIONS = """
    Math/abs                abs
    Math/max                max
    Math/min                min
    Math/random             rand
    Math/ceil               flow.math/ceil
    Math/floor              flow.math/floor
    Math/round              flow.math/round
    Math/rint               flow.math/rint
    Math/sqrt               flow.math/sqrt
    Math/cbrt               flow.math/cbrt
    Math/pow                flow.math/pow
    Math/exp                flow.math/exp
    Math/expm1              flow.math/expm1
    Math/log                flow.math/log
    Math/log10              flow.math/log10
    Math/log1p              flow.math/log1p
    Math/sin                flow.math/sin
    Math/cos                flow.math/cos
    Math/tan                flow.math/tan
    Math/asin               flow.math/asin
    Math/acos               flow.math/acos
    Math/atan               flow.math/atan
    Math/atan2              flow.math/atan2
    Math/sinh               flow.math/sinh
    Math/cosh               flow.math/cosh
    Math/tanh               flow.math/tanh
    Math/hypot              flow.math/hypot
    Math/signum             flow.math/signum
    Math/toRadians          flow.math/to-radians
    Math/toDegrees          flow.math/to-degrees
    Math/floorDiv           flow.math/floor-div
    Math/floorMod           flow.math/floor-mod
    Math/addExact           +
    Math/subtractExact      -
    Math/multiplyExact      *
    Math/incrementExact     inc
    Math/decrementExact     dec
    Math/negateExact        -
    Long/parseLong          -parsed-integer
    Long/valueOf            -parsed-integer
    Long/decode             read-string
    Long/toString           -number-text
    Long/toBinaryString     -binary-text
    Long/toHexString        -hex-text
    Long/toOctalString      -octal-text
    Long/compare            compare
    Long/signum             -signum
    Long/bitCount           -bit-count
    Long/sum                +
    Long/max                max
    Long/min                min
    Integer/parseInt        -parsed-integer
    Integer/valueOf         -parsed-integer
    Integer/toString        -number-text
    Integer/toBinaryString  -binary-text
    Integer/toHexString     -hex-text
    Integer/toOctalString   -octal-text
    Integer/compare         compare
    Integer/signum          -signum
    Integer/bitCount        -bit-count
    Integer/sum             +
    Integer/max             max
    Integer/min             min
    BigInteger/valueOf      bigint
    BigDecimal/valueOf      bigdec
    Double/parseDouble      -parsed-float
    Double/valueOf          -parsed-float
    Double/toString         str
    Double/compare          compare
    Double/isNaN            NaN?
    Double/isInfinite       infinite?
    Float/parseFloat        -parsed-float
    Float/valueOf           -parsed-float
    Boolean/parseBoolean    -parsed-boolean
    Boolean/valueOf         -parsed-boolean
    Boolean/toString        str
    String/valueOf          str
    String/format           format
    String/join             flow.string/join
    Character/isDigit       -digit?
    Character/isLetter      -letter?
    Character/isLetterOrDigit -letter-or-digit?
    Character/isAlphabetic  -letter?
    Character/isWhitespace  -white-space?
    Character/isUpperCase   -upper-case?
    Character/isLowerCase   -lower-case?
    Character/toUpperCase   -upper-character
    Character/toLowerCase   -lower-character
    Character/toString      str
    Character/valueOf       char
    Character/getNumericValue -digit-value
    Character/digit         -digit-value
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
    "Math/PI": 3.141592653589793,
    "Math/E": 2.718281828459045,
    "Long/MAX_VALUE": _LONG_MAX,
    "Long/MIN_VALUE": -_LONG_MAX - 1,
    "Integer/MAX_VALUE": _INT_MAX,
    "Integer/MIN_VALUE": -_INT_MAX - 1,
    "Short/MAX_VALUE": 32767,
    "Short/MIN_VALUE": -32768,
    "Byte/MAX_VALUE": 127,
    "Byte/MIN_VALUE": -128,
    "Double/MAX_VALUE": 1.7976931348623157e308,
    "Double/MIN_VALUE": 5e-324,
    "Double/POSITIVE_INFINITY": float("inf"),
    "Double/NEGATIVE_INFINITY": float("-inf"),
    "Double/NaN": float("nan"),
    "Float/MAX_VALUE": 3.4028234663852886e38,
    "Float/MIN_VALUE": 1.401298464324817e-45,
    "Float/POSITIVE_INFINITY": float("inf"),
    "Float/NEGATIVE_INFINITY": float("-inf"),
    "Float/NaN": float("nan"),
    "Boolean/TRUE": True,
    "Boolean/FALSE": False,
}

CONSTRUCTORS: Final[dict[str, str]] = {
    # class                    function
    "java.lang.String": f"{CORE}/str",
    "java.lang.Object": f"{CORE}/-object",
    "java.lang.Long": f"{CORE}/-parsed-integer",
    "java.lang.Integer": f"{CORE}/-parsed-integer",
    "java.lang.Double": f"{CORE}/-parsed-float",
    "java.lang.Float": f"{CORE}/-parsed-float",
    "java.lang.Boolean": f"{CORE}/-parsed-boolean",
    "java.math.BigInteger": f"{CORE}/-parsed-integer",
    "java.math.BigDecimal": f"{CORE}/bigdec",
    "java.util.Date": f"{CORE}/-instant-of",
    "clojure.lang.ExceptionInfo": f"{CORE}/ex-info",
    "clojure.lang.MapEntry": f"{CORE}/map-entry",
}
