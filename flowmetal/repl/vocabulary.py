"""Names that look or indent in a way of their own, known without loading the language."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SPECIAL_FORMS = _words(
    "def do if let* loop* fn* letfn* quote var recur try catch finally throw case* set! perform "
    "binding* defforeign defnative"
)

DEFINITIONS = _words("def defn defn- defmacro defonce declare defforeign defnative ns")
"""Forms whose first argument is the name of what they define."""

MACROS = _words(
    "-> ->> and as-> assert binding case comment cond cond-> cond->> condp declare defmacro defn "
    "defn- defonce delay doseq dotimes doto fn for if-let if-not if-some in-ns lazy-seq let letfn "
    "loop ns or require some-> some->> time use when when-first when-let when-not when-some while "
    "with-out-str"
)

BODY_FORMS = _words(
    "binding case catch comment cond condp delay do doseq dotimes doto finally fn for if if-let "
    "if-not if-some in-ns lazy-seq let letfn loop match ns require time try when when-first "
    "when-let when-not when-some while"
)
"""Forms whose arguments are indented by two columns, beside ``def...`` and ``with-...``."""
