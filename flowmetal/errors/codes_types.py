"""What records, protocols, multimethods and hierarchies raise: FM0131, FM0515 - FM0519, FM0522, FM0523.

``wrong`` is a program that raises the code and ``right`` one that does not; both are tests.
"""

from __future__ import annotations

from flowmetal.errors import ErrorCode

CODES: tuple[ErrorCode, ...] = (
    ErrorCode(
        "FM0131",
        "A class, protocol or multimethod is needed here",
        "extend-type and defmethod name what they add to; a class is a type of records or one of\n"
        "Clojure's names, such as String, Number or clojure.lang.IPersistentMap.",
        wrong="(defprotocol Shape (area [this]))\n(extend-type strin Shape (area [this] 1))",
        right="(defprotocol Shape (area [this]))\n(extend-type String Shape (area [this] 1))",
    ),
    ErrorCode(
        "FM0515",
        "A protocol is not implemented for a value",
        "The message says which method of which protocol, and the class of the value. Implement\n"
        "it with extend-type, or for everything else with the class Object.",
        wrong="(defprotocol Shape (area [this]))\n(defn main [] (area 5))",
        right="(defprotocol Shape (area [this]))\n(extend-type Number Shape (area [this] this))\n"
        "(defn main [] (area 5))",
    ),
    ErrorCode(
        "FM0516",
        "A multimethod has no method for a value",
        "No method fits what the dispatch function returned, and there is none for :default.",
        wrong="(defmulti area :shape)\n(defn main [] (area {:shape :circle}))",
        right="(defmulti area :shape)\n(defmethod area :default [_] 0)\n"
        "(defn main [] (area {:shape :circle}))",
    ),
    ErrorCode(
        "FM0517",
        "Several methods of a multimethod fit",
        "The value is one of several dispatch values, and none of them is one of the others.\n"
        "prefer-method says which comes first.",
        wrong="(derive ::a ::x)\n(derive ::a ::y)\n(defmulti f identity)\n(defmethod f ::x [_] 1)\n"
        "(defmethod f ::y [_] 2)\n(defn main [] (f ::a))",
        right="(derive ::a ::x)\n(derive ::a ::y)\n(defmulti f identity)\n(defmethod f ::x [_] 1)\n"
        "(defmethod f ::y [_] 2)\n(prefer-method f ::x ::y)\n(defn main [] (f ::a))",
    ),
    ErrorCode(
        "FM0518",
        "A hierarchy cannot be changed so",
        "A tag cannot be derived from itself, from what is derived from it, or twice from the\n"
        "same tag by two ways. Tags have a namespace: write ::name.",
        wrong="(defn main [] (derive :circle :shape))",
        right="(defn main [] (derive ::circle ::shape))",
    ),
    ErrorCode(
        "FM0519",
        "Only a test program may change code that runs",
        "with-redefs, alter-var-root and intern change functions under programs that are\n"
        "running. A program that requires flow.test, and the REPL, may do that. Keep state that\n"
        "changes in an atom, and what a caller may choose in a dynamic var.",
        wrong="(defn price [] 1)\n(defn main [] (with-redefs [price (fn [] 2)] (price)))",
        right="(def ^:dynamic *price* 1)\n(defn main [] (binding [*price* 2] *price*))",
    ),
    ErrorCode(
        "FM0522",
        "The program has no namespace of this name",
        "A program holds the namespaces that its entry requires, and nothing is loaded while it\n"
        "runs. Require the namespace, or ask with find-ns, which returns nil.",
        wrong="(defn main [] (ns-name 'shop.stock))",
        right="(defn main [] (find-ns 'shop.stock))",
    ),
    ErrorCode(
        "FM0523",
        "A matcher has no match yet",
        "re-groups returns what re-find found last with a matcher.",
        wrong='(defn main [] (re-groups (re-matcher #"a" "banana")))',
        right='(defn main [] (let [m (re-matcher #"a" "banana")] (re-find m) (re-groups m)))',
    ),
)
