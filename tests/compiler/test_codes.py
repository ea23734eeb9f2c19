"""Every code of the compiler is raised by its own example, with this sentence; the right one compiles.

FM0104, FM0204 and FM0205 need several files: see test_problems.py and test_modules.py.
"""

from __future__ import annotations

import pytest

from flowmetal.errors.codes_compiler import CODES
from tests.compiler.support import Compilation, problem

MESSAGES = {
    "FM0101": "`if` needs a test, an expression and perhaps another one, not 4 forms",
    "FM0102": "unknown name `g`",
    "FM0103": "`f` takes 2 arguments ([a b]), called with 1",
    "FM0105": "the macro `user/m` failed: no",
    "FM0106": "`when` is a macro, not a value",
    "FM0107": "host interop is not part of Flowmetal: call a connector",
    "FM0108": "unknown kind of effect `htp/request`",
    "FM0109": "the kind of an effect is written out, as a keyword or a string",
    "FM0110": "`recur` is not the last thing its function does",
    "FM0111": "this loop has 2 values, `recur` gives 1",
    "FM0112": "`recur` cannot leave a `try`",
    "FM0113": "`user/x` is not dynamic",
    "FM0114": "let needs a value for every name",
    "FM0115": "`def` needs a name",
    "FM0116": "`:key` has no meaning in a map pattern",
    "FM0117": "a vector of parameters is expected here",
    "FM0118": "two bodies take 1 argument",
    "FM0119": "`case` has the constant 1 twice",
    "FM0120": "`catch` needs what to catch and a name for the error",
    "FM0121": "`user/x` has no value: no",
    "FM0122": "this macro call expands to macro calls without end",
    "FM0123": "`x` is a local name and cannot be changed",
    "FM0124": "`other/x` cannot be defined from namespace user",
    "FM0125": "a macro put #fn[user/m/fn-1] into the code, which is not data",
    "FM0126": "a predicate must follow `:-`",
    "FM0127": "unknown alias `strng` in `strng/join`",
    "FM0128": "`require` stands at the top level only",
    "FM0129": "only the library declares native functions",
    "FM0130": "the options of `defforeign` are data, nothing is evaluated in them",
    "FM0132": "1 cannot be called",
    "FM0140": "a set is no pattern",
    "FM0141": "nothing is left for this clause of `match`",
    "FM0142": "`with-restart` needs a name, a description and a function for each restart",
    "FM0143": "`~` stands outside of a syntax quote",
    "FM0201": "`:like` is not understood here",
    "FM0202": "there is no class shop.Order",
    "FM0203": "there is no namespace `no.such.thing`",
    "FM0206": "the alias `s` already means flow.core",
    "FM0207": "flow.core does not define `incc`",
    "FM0208": "this source is namespace demo already",
}

ROWS = {row.code: row for row in CODES}


def test_every_code_with_an_example_in_one_file_is_here():
    single = {c for c, row in ROWS.items() if row.wrong and "a file of" not in row.wrong}
    assert single - MESSAGES.keys() == {"FM0340", "FM0341"}


@pytest.mark.parametrize("code", MESSAGES)
def test_the_wrong_example_of_a_code_raises_it(code):
    found = problem(ROWS[code].wrong)
    assert (found.code, found.message) == (code, MESSAGES[code])


@pytest.mark.parametrize("code", MESSAGES)
def test_the_right_example_of_a_code_compiles(code):
    Compilation().module(ROWS[code].right)


@pytest.mark.parametrize("code", MESSAGES)
def test_the_place_of_a_problem_lies_in_the_file(code):
    span = problem(ROWS[code].wrong).span
    assert (span.path, span.line) == ("demo.flow", 1)


def test_messages_are_one_short_sentence_in_a_plain_tone():
    for message in MESSAGES.values():
        assert len(message) <= 80, message
        assert not message.endswith(".")
        assert "illegal" not in message.lower()
