"""Every function of the library, called with what it was not made for: an answer or an error of the language."""

from __future__ import annotations

import itertools

import pytest

from flowmetal.bytecode.code import DefinitionKind
from flowmetal.compiler.evaluator import EvaluationFailed
from flowmetal.embed.documenting import is_meant_for_users
from flowmetal.embed.library import library
from flowmetal.values import Value, keyword, vector
from tests.lang.test_lang import Session

_VALUES = '[nil [] () "" "abc" 0 2 -1 1/2 2.5 1.5M :a \'b \\c {:a 1} #{1} (map inc [1 2]) inc]'
_PAIRS = '[nil [1 2] "abc" 1/2 {:a 1}]'
_TRIPLES = "[nil 1 {:a 1}]"
_BUDGET = 3_000
"""Fuel for a call: some of them have no end."""

_MACRO, _ARGLISTS, _PRIVATE = (keyword(name) for name in ("macro", "arglists", "private"))


def _functions() -> dict[str, set[int]]:
    """Return the public functions of the library with the numbers of arguments that they take."""
    found = {}
    for module in library():
        for definition in module.definitions:
            meta, name = definition.meta, definition.name.partition("/")[2]
            if meta is None or meta.get(_MACRO) or meta.get(_PRIVATE) or not meta.get(_ARGLISTS):
                continue
            callable_ = definition.kind in (DefinitionKind.FUNCTION, DefinitionKind.NATIVE)
            if (
                callable_
                and is_meant_for_users(name)
                and not definition.name.startswith("flow.test")
            ):
                found[definition.name] = {
                    count for arglist in meta.get(_ARGLISTS) for count in _counts(arglist)
                }
    return found


def _counts(arglist: Value) -> set[int]:
    words = [str(getattr(word, "text", "")) for word in arglist]
    if "&" not in words:
        return {len(words)}
    least = words.index("&")
    return {least, least + 1, least + 2}


@pytest.fixture(scope="module")
def session() -> Session:
    session = Session()
    session.compile(
        "(ns edges)(defn probe [f args] (try (binding [*print-length* 12] (pr-str (apply f args)))"
        " (catch :default e (when-not (and (:type e) (string? (ex-message e))) :no-error))))"
        f"(defn arguments [] [{_VALUES} {_PAIRS} {_TRIPLES}])"
    )
    return session


def test_no_arguments_get_a_function_to_fail_otherwise_than_with_an_error_of_the_language(
    session: Session,
) -> None:
    one, two, three = session.machine.call("edges/arguments", ())
    rows = {
        0: [()],
        1: [(value,) for value in one],
        2: list(itertools.product(two, repeat=2)),
        3: list(itertools.product(three, repeat=3)),
    }
    wrong: dict[str, str] = {}
    probe = session.machine.machine.globals["edges/probe"]
    for name, counts in _functions().items():
        function = session.machine.machine.globals[name]
        for arguments in itertools.chain.from_iterable(rows.get(count, ()) for count in counts):
            try:
                found = session.machine.apply(probe, (function, vector(arguments)), _BUDGET)
            except EvaluationFailed as failed:
                found = failed.error.code
            except Exception as error:
                found = error
            if found is not None and not isinstance(found, str):
                wrong.setdefault(name, f"({name} {arguments}): {found!r}")
    assert not wrong, "\n".join(wrong.values())
