"""Programs for tests of the machine: text in, a machine before its first instruction out."""

from __future__ import annotations

from functools import lru_cache

from flowmetal.bytecode.code import Program
from flowmetal.embed.machine import Machine
from flowmetal.embed.session import Session
from flowmetal.source import Source
from flowmetal.values import Value, keyword
from flowmetal.vm.state import Turn


@lru_cache(maxsize=256)
def program(text: str) -> Program:
    return Session().compile_text(Source("test.flow", text))


def machine(text: str, *arguments: Value) -> Machine:
    return Machine(program(text), *arguments)


def run(text: str, *arguments: Value) -> Turn:
    return machine(text, *arguments).run()


def result(text: str, *arguments: Value) -> Value:
    turn = run(text, *arguments)
    assert turn.error is None, turn.error
    return turn.result


def main(body: str) -> Value:
    """Return the value of an expression."""
    return result(f"(defn main [] {body})")


def error_type(text: str) -> str:
    turn = run(text)
    assert turn.error is not None
    return turn.error.type.text


k = keyword
