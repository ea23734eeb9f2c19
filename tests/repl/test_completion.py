from __future__ import annotations

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from flowmetal.embed.interactive import Interactive
from flowmetal.repl.completion import FlowCompleter
from flowmetal.repl.conversation import Conversation
from flowmetal.repl.hints import head_of_call
from flowmetal.runtime.observer import Silent


class Nothing:
    """A screen that shows nothing."""

    def show_value(self, text: str) -> None: ...
    def show_output(self, text: str) -> None: ...
    def show_log(self, line: str) -> None: ...
    def show_problem(self, diagnostics: object, texts: object) -> None: ...
    def show_interruption(self) -> None: ...


@pytest.fixture(scope="module")
def conversation() -> Conversation:
    def report(crash: Exception) -> None:
        raise crash

    made = Conversation(lambda observer: Interactive(Silent()), Nothing(), report)
    assert made.evaluate("(require '[flow.string :as str] '[flow.set :refer [union]])")
    assert made.evaluate(
        '(defn total "Add it all up." [xs] (reduce + xs)) (def order {:customer-name 1})'
    )
    return made


@pytest.fixture
def complete(conversation: Conversation):
    completer = FlowCompleter(conversation)

    def completions(before: str, after: str = "") -> dict[str, str]:
        found = completer.get_completions(Document(before + after, len(before)), CompleteEvent())
        return {one.text: one.display_meta_text for one in found}

    return completions


def test_names_of_the_namespace_come_with_arguments_and_documentation(complete) -> None:
    assert complete("(tot") == {"total": "[xs]  Add it all up."}


@pytest.mark.parametrize(
    ("before", "name"),
    [
        ("(map-i", "map-indexed"), ("(uni", "union"), ("(st", "str/"), ("(str/jo", "str/join"),
        ("(flow.string/jo", "flow.string/join"), ("(flow.stri", "flow.string"), ("(recu", "recur"),
        ("(defm", "defmacro"), ("(macroexp", "macroexpand-1"), ("*1 *", "*2"), ("[:cust", ":customer-name"),
    ],
)  # fmt: skip
def test_what_is_in_scope_is_offered(complete, before: str, name: str) -> None:
    assert name in complete(before)


def test_names_in_the_input_are_offered(complete) -> None:
    assert "customer-id" in complete("(fn [customer-id] (str cust", ")")


@pytest.mark.parametrize("before", ['"re', "; re", "12", "", "(", "re ", "\\re", '#"re'])
def test_nothing_is_offered_where_no_name_is_typed(complete, before: str) -> None:
    assert complete(before) == {}


def test_helpers_of_the_library_are_offered_to_those_who_type_the_dash(complete) -> None:
    assert "-done!" not in complete("(flow.repl/")
    assert "flow.repl/-done!" in complete("(flow.repl/-d")


def test_the_head_of_the_innermost_call_is_found() -> None:
    assert head_of_call("(let [a (f 1") == "f"
    assert head_of_call("(let [a 1") == "let"
    assert head_of_call("(f 1)") is None
    assert head_of_call("((g) 1") is None
