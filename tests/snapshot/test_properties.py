"""What holds for any machine: it comes back with the same bytes, with what it shares and its cycles.

``FLOWMETAL_EVERYTHING`` tries many more examples.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowmetal import compile
from flowmetal.bytecode.code import Program
from flowmetal.bytecode.file import read_program, write_program
from flowmetal.effects.requests import EffectResult
from flowmetal.embed.natives import natives
from flowmetal.ids import RunId
from flowmetal.snapshot import decode, encode
from flowmetal.values import (
    Atom,
    Cons,
    Instant,
    LazySeq,
    List,
    Map,
    Set,
    Value,
    Vector,
    hash_map,
    keyword,
    list_of,
    pr_str,
    set_of,
    vector,
)
from flowmetal.vm.link import Image
from flowmetal.vm.machine import deliver, run, start
from flowmetal.vm.state import Closure, Machine, MachineStatus
from tests.snapshot.machines import by_instruction, closure, fetch, image, machine, restored
from tests.vm.test_random_scopes import HEAD, PROGRAMS

EVERYTHING = bool(os.environ.get("FLOWMETAL_EVERYTHING"))
MORE = 20 if EVERYTHING else 1
pytestmark = pytest.mark.timeout(3600 if EVERYTHING else 300)
QUIET = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}

# Graphs

IMAGE = image()
KINDS = ("atom", "vector", "long", "list", "cons", "map", "set", "lazy", "closure")
Recipe = list[tuple[str, list[int]]]
RECIPES = st.lists(
    st.tuples(st.sampled_from(KINDS), st.lists(st.integers(0, 40), max_size=4)),
    min_size=1,
    max_size=14,
)


def built(recipe: Recipe) -> list[Value]:
    """Make the nodes of a graph. Each refers to nodes before it, and atoms to any: so there are cycles."""
    nodes: list[Value] = []
    for number, (kind, references) in enumerate(recipe):
        parts: list[Value] = [nodes[each % number] for each in references] if number else []
        nodes.append(_node(kind, number, parts))
    for (kind, references), node in zip(recipe, nodes, strict=True):
        if kind == "atom":
            node.value = vector([nodes[each % len(nodes)] for each in references])
    return nodes


def _node(kind: str, number: int, parts: Sequence[Value]) -> Value:
    match kind:
        case "atom":
            return Atom(None)
        case "vector":
            return vector([number, *parts])
        case "long":
            return vector([*range(70), *parts])
        case "list":
            return list_of([number, *parts])
        case "cons":
            return Cons(number, list_of(list(parts)))
        case "map":
            return hash_map([(keyword(f"k{n}"), part) for n, part in enumerate(parts)])
        case "set":
            return set_of([number, *(part for part in parts if isinstance(part, Atom))])
        case "lazy":
            return LazySeq(None, Cons(number, list_of(list(parts))))
        case _:
            return closure(IMAGE, number, vector(list(parts)))


def children(value: Value) -> list[Value] | None:
    """Return what a value with an identity refers to, in order; None: it is a scalar."""
    match value:
        case Atom():
            return [value.value]
        case Closure():
            return list(value.captured)
        case LazySeq():
            return [value.value]
        case Cons():
            return [value.first, value.rest]
        case Map():
            return [part for pair in value.items() for part in pair]
        case Vector() | List() | Set():
            return list(value)
        case _:
            return None


def assert_alike(one: Sequence[Value], other: Sequence[Value]) -> None:
    """Check that two graphs are one in shape: what is one thing here is one thing there."""
    there: dict[int, Value] = {}
    here: dict[int, Value] = {}
    waiting = list(zip(one, other, strict=True))
    while waiting:
        first, second = waiting.pop()
        assert type(first) is type(second)
        parts, others = children(first), children(second)
        if parts is None or others is None:
            assert pr_str(first) == pr_str(second)
        elif parts and id(first) in there:
            assert there[id(first)] is second, "one thing has become two"
        elif parts:  # the empty ones are one for all
            assert id(second) not in here, "two things have become one"
            there[id(first)], here[id(second)] = second, first
            waiting += zip(parts, others, strict=True)


@settings(max_examples=100 * MORE, **QUIET)
@given(RECIPES)
def test_what_a_machine_shares_and_its_cycles_come_back(recipe: Recipe) -> None:
    nodes = built(recipe)
    encoded = encode(machine(*nodes, image_=IMAGE))
    back = restored(encoded)
    assert encode(back).data == encoded.data
    assert_alike(nodes, [back.globals[f"user/v{n}"] for n in range(len(nodes))])


@settings(max_examples=50 * MORE, **QUIET)
@given(RECIPES)
def test_machines_that_are_alike_have_the_same_bytes(recipe: Recipe) -> None:
    one = encode(machine(*built(recipe), image_=IMAGE))
    other = encode(machine(*built(recipe), image_=IMAGE))
    assert one.data == other.data
    assert one.chunks == other.chunks


# Programs

FUEL = 60_000
STEPS = 1500


@cache
def program(body: str) -> Program:
    head = HEAD.replace("(* n 4000)", "(* n 5)")
    return read_program(write_program(compile(f"{head}(defn main [] (pr-str {body}))")))


def answer(machine: Machine) -> None:
    """Answer the oldest of what the machine waits for; the same answer to the same question."""
    for effect in sorted(machine.open.values(), key=lambda effect: effect.request.number)[:1]:
        request = effect.request
        value = Instant(request.number) if request.kind == "time/now" else None
        deliver(machine, EffectResult(request.number, value), request.number, request.number)


def end_of(machine: Machine) -> tuple[str, str]:
    """Run to the end at full speed and return the state and what came out."""
    while machine.status in (MachineStatus.READY, MachineStatus.WAITING):
        answer(machine)
        run(machine, FUEL)
    main = machine.fibers[1]
    return machine.status.value, pr_str(main.result if main.error is None else main.error.message)


@settings(max_examples=8 * MORE if EVERYTHING else 5, **QUIET)
@given(PROGRAMS, st.integers(1, STEPS))
def test_any_program_is_the_same_after_any_instruction_and_goes_on_as_it_would(
    body: str, place: int
) -> None:
    stepping, plain = (Image(program(body), natives(), single) for single in (True, False))
    machine = start(stepping, "user/main", (), RunId("r"))
    chunks: dict[str, bytes] = {}
    moved = None
    for number in by_instruction(machine, answer):
        saved = encode(machine)
        chunks |= saved.chunks
        assert encode(decode(saved.data, stepping, fetch(chunks))).data == saved.data, number
        if number == place:
            moved = end_of(decode(saved.data, plain, fetch(chunks)))
        if number > STEPS:
            break
    whole = end_of(start(plain, "user/main", (), RunId("r")))
    assert moved is None or moved == whole
