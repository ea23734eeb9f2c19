"""Static members of Java's classes that are plain functions of values: what they are called here.

Ordinary Clojure programs call a few dozen of them, such as ``Math/sqrt`` and
``Integer/parseInt``, and read constants such as ``Long/MAX_VALUE``. Each row is a name and
the var that means the same. What reads a clock or sleeps is an effect and no row; ``new`` and
methods are host interop, which is refused.
"""

from __future__ import annotations

from typing import Final

_MATH: Final = (
    "sin cos tan asin acos atan atan2 sinh cosh tanh exp expm1 log log10 log1p sqrt cbrt hypot pow"
    " floor ceil rint round signum PI E"
)

# fmt: off
STATICS: Final[dict[str, str]] = {
    **{f"Math/{name}": f"flow.math/{name}" for name in _MATH.split()},
    "Math/abs":                    "flow.core/abs",
    "Math/max":                    "flow.core/max",
    "Math/min":                    "flow.core/min",
    "Math/toRadians":              "flow.math/to-radians",
    "Math/toDegrees":              "flow.math/to-degrees",
    "Math/floorDiv":               "flow.math/floor-div",
    "Math/floorMod":               "flow.math/floor-mod",
    "Math/addExact":               "flow.core/+",
    "Math/subtractExact":          "flow.core/-",
    "Math/multiplyExact":          "flow.core/*",
    "Integer/parseInt":            "flow.core/-parse-integer",
    "Integer/valueOf":             "flow.core/-parse-integer",
    "Long/parseLong":              "flow.core/-parse-integer",
    "Long/valueOf":                "flow.core/-parse-integer",
    "Double/parseDouble":          "flow.core/-parse-float",
    "Double/valueOf":              "flow.core/-parse-float",
    "Float/parseFloat":            "flow.core/-parse-float",
    "Boolean/parseBoolean":        "flow.core/-parse-truth",
    "Boolean/valueOf":             "flow.core/-parse-truth",
    "Integer/toString":            "flow.core/-integer-text",
    "Long/toString":               "flow.core/-integer-text",
    "Integer/toBinaryString":      "flow.core/-binary-text-32",
    "Long/toBinaryString":         "flow.core/-binary-text-64",
    "Integer/toHexString":         "flow.core/-hex-text-32",
    "Long/toHexString":            "flow.core/-hex-text-64",
    "Integer/toOctalString":       "flow.core/-octal-text-32",
    "Long/toOctalString":          "flow.core/-octal-text-64",
    "Integer/bitCount":            "flow.core/-bit-count-32",
    "Long/bitCount":               "flow.core/-bit-count-64",
    "Integer/compare":             "flow.core/compare",
    "Long/compare":                "flow.core/compare",
    "Double/compare":              "flow.core/compare",
    "Integer/MAX_VALUE":           "flow.core/-max-int",
    "Integer/MIN_VALUE":           "flow.core/-min-int",
    "Long/MAX_VALUE":              "flow.core/-max-long",
    "Long/MIN_VALUE":              "flow.core/-min-long",
    "Double/MAX_VALUE":            "flow.core/-max-double",
    "Double/MIN_VALUE":            "flow.core/-min-double",
    "Double/POSITIVE_INFINITY":    "flow.core/-infinity",
    "Double/NEGATIVE_INFINITY":    "flow.core/-minus-infinity",
    "Double/NaN":                  "flow.core/-not-a-number",
    "Double/isNaN":                "flow.core/NaN?",
    "Double/isInfinite":           "flow.core/infinite?",
    "Double/toString":             "flow.core/str",
    "Boolean/TRUE":                "flow.core/-true",
    "Boolean/FALSE":               "flow.core/-false",
    "String/valueOf":              "flow.core/str",
    "String/format":               "flow.core/format",
    "String/join":                 "flow.string/join",
    "Character/isDigit":           "flow.core/-digit-char?",
    "Character/isLetter":          "flow.core/-letter-char?",
    "Character/isAlphabetic":      "flow.core/-letter-char?",
    "Character/isLetterOrDigit":   "flow.core/-letter-or-digit-char?",
    "Character/isUpperCase":       "flow.core/-upper-char?",
    "Character/isLowerCase":       "flow.core/-lower-char?",
    "Character/isWhitespace":      "flow.core/-blank-char?",
    "Character/isSpaceChar":       "flow.core/-blank-char?",
    "Character/toUpperCase":       "flow.core/-upper-char",
    "Character/toLowerCase":       "flow.core/-lower-char",
    "Character/toString":          "flow.core/str",
    "Character/valueOf":           "flow.core/char",
    "Character/getNumericValue":   "flow.core/-char-value",
    "Character/digit":             "flow.core/-char-digit",
    "Character/forDigit":          "flow.core/-digit-char",
}
# fmt: on
