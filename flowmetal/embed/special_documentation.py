"""Documentation of what no source defines: special forms, and the compiler's own macros.

How to read a row: the kind, the shapes of a call, what it does.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Special(NamedTuple):
    """A row of the table."""

    kind: str
    shapes: tuple[str, ...]
    doc: str


_FOREIGN = (
    "Declare a function that is written in another language: in Python, or with a :queue in whatever its workers are "
    "written in. Options: :timeout, :retry (a number of attempts, or a policy written out), :at-most-once, :verify, "
    ":undo, :queue, :heartbeat (how long the claim of a worker lasts without a sign of life)."
)
_FORM, _MACRO = "special form", "macro"

# fmt: off
SPECIAL: Final[dict[str, Special]] = {
    "def":        Special(_FORM,  ("name doc? value?",), "Define a var of the current namespace."),
    "do":         Special(_FORM,  ("exprs*",), "Evaluate expressions in order and return the value of the last."),
    "if":         Special(_FORM,  ("test then else?",), "Evaluate then if the test is neither nil nor false, else otherwise."),
    "quote":      Special(_FORM,  ("form",), "Return the form unevaluated: 'form."),
    "var":        Special(_FORM,  ("name",), "Return the var itself: #'name."),
    "recur":      Special(_FORM,  ("exprs*",), "Go to the nearest loop or function again, with new values. In tail position only."),
    "try":        Special(_FORM,  ("exprs* catch-clause* finally-clause?",), "Evaluate expressions and handle their errors."),
    "catch":      Special(_FORM,  ("selector name exprs*",), "A clause of try: a keyword, a predicate, or :default for every error."),
    "finally":    Special(_FORM,  ("exprs*",), "A clause of try: evaluated whatever happens."),
    "throw":      Special(_FORM,  ("error",), "Raise an error, such as one made by ex-info."),
    "set!":       Special(_FORM,  ("var value",), "Change the innermost binding of a dynamic var."),
    "perform":    Special(_FORM,  ("kind args",), "Ask the world for an effect and wait for its result."),
    "defforeign": Special(_FORM,  ("name doc? options? [params*]",), _FOREIGN),
    "let":        Special(_MACRO, ("[binding value ...] exprs*",), "Evaluate expressions with local names, which may take values apart."),
    "loop":       Special(_MACRO, ("[binding value ...] exprs*",), "Like let, and a place for recur to go to."),
    "fn":         Special(_MACRO, ("name? [params*] exprs*",), "Make a function; several arities stand in lists of their own."),
    "letfn":      Special(_MACRO, ("[(name [params*] exprs*) ...] exprs*",), "Like let, with functions that may call each other."),
    "binding":    Special(_MACRO, ("[var value ...] exprs*",), "Evaluate expressions with other values of dynamic vars."),
    "defn":       Special(_MACRO, ("name doc? [params*] exprs*",), "Define a function; several arities stand in lists of their own."),
    "defn-":      Special(_MACRO, ("name doc? [params*] exprs*",), "Define a private function."),
    "defmacro":   Special(_MACRO, ("name doc? [params*] exprs*",), "Define a macro: a function from forms to a form."),
    "match":      Special(_MACRO, ("value pattern result ...",), "Evaluate the result of the first pattern that fits a value."),
    "with-restart": Special(_MACRO, ("[:name description f ...] exprs*",), "Evaluate expressions and offer ways on: invoke-restart."),
    "with-handler": Special(_MACRO, ("[selector f ...] exprs*",), "Evaluate expressions; call f with an error before anything is unwound."),
    "declare":    Special(_MACRO, ("names*",), "Announce vars that are defined later."),
    "ns":         Special(_MACRO, ("name doc? (:require [namespace :as alias :refer [names*]])*",), "Begin a namespace."),
    "in-ns":      Special(_MACRO, ("'name",), "Go to another namespace."),
    "require":    Special(_MACRO, ("'[namespace :as alias :refer [names*]]*",), "Load namespaces. At a REPL, :reload loads them again."),
    "import":     Special(_MACRO, ("class*",), "Let classes and types of records be named without their package."),
    "alias":      Special(_MACRO, ("'alias 'namespace",), "Let a namespace be called by another name in this one."),
    "refer":      Special(_MACRO, ("'namespace & options",), "Use public names of a namespace without a qualifier; :only names some."),
    "use":        Special(_MACRO, ("'namespace*",), "Load namespaces and refer to all their public names."),
}
# fmt: on
