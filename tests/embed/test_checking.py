"""A wrong argument of the Python API is an error that names it, whichever function it is given to."""

from __future__ import annotations

import datetime
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import flowmetal
from flowmetal.embed import checking
from flowmetal.errors import UsageError

PROGRAM = flowmetal.compile("(ns one) (defn main [x] x)")

UNCHECKED = {
    # what is looked at where it is used
    "Value", "bool", "object", "bytes", "Operation", "ErrorValue | FlowError | None",
    "Mapping[str, Native]", "Environment",
}  # fmt: skip


@pytest.fixture
def engine() -> Iterator[flowmetal.Engine]:
    with flowmetal.Engine("memory:") as engine:
        yield engine


CALLS: dict[str, tuple[str, Callable[[flowmetal.Engine], object]]] = {
    # parameter: what the error says, the call
    "source": ("takes a str or a Path", lambda _: flowmetal.compile(b"(ns a)")),  # type: ignore[arg-type]
    "roots": ("Python type str", lambda _: flowmetal.compile("(ns a)", roots="src")),
    "store_url": ("type PosixPath", lambda _: flowmetal.Engine(Path("/tmp/x.db"))),  # type: ignore[arg-type]
    "functions": ("a list of functions", lambda _: flowmetal.Engine("memory:", functions=len)),  # type: ignore[arg-type]
    "program": ("`start` takes a Program", lambda engine: engine.start(PROGRAM.hash, [1])),  # type: ignore[arg-type]
    "arguments": ("takes a list", lambda engine: engine.start(PROGRAM, "a")),
    "id": ("a str or None", lambda engine: engine.start(PROGRAM, [1], id=17)),  # type: ignore[arg-type]
    "tags": ("a mapping or None", lambda engine: engine.start(PROGRAM, [1], tags="a=1")),  # type: ignore[arg-type]
    "grants": ("grants or None", lambda engine: engine.start(PROGRAM, [1], grants={"fs": "."})),  # type: ignore[arg-type]
    "beginnings[1]": (
        "type list of int",
        lambda engine: engine.start_many(PROGRAM, [flowmetal.Beginning([1]), [2]]),  # type: ignore[list-item]
    ),
    "run": ("type tuple", lambda engine: engine.result(engine.start(PROGRAM, [1]))),  # type: ignore[arg-type]
    "name": ("type Keyword", lambda engine: engine.signal("r", flowmetal.from_python({"$keyword": "go"}))),
    "timeout_us": ("type timedelta", lambda engine: engine.wait("r", datetime.timedelta(1))),  # type: ignore[arg-type]
    "after": ("an int", lambda engine: engine.events("r", "1")),  # type: ignore[arg-type]
    "states": ("type str", lambda engine: engine.runs(states="completed")),
    "fs": ("type list of PosixPath", lambda _: flowmetal.grants(fs=[Path(".")])),  # type: ignore[list-item]
    "number": ("`deliver` takes an int", lambda _: flowmetal.Machine(PROGRAM, 1).deliver("1")),  # type: ignore[arg-type]
}  # fmt: skip


@pytest.mark.parametrize("parameter", CALLS)
def test_an_argument_of_a_wrong_type_is_named_with_a_remedy(
    engine: flowmetal.Engine, parameter: str
) -> None:
    said, call = CALLS[parameter]
    with pytest.raises(UsageError) as refused:
        call(engine)
    error = refused.value
    assert error.code == "FM1333"
    assert f"as `{parameter}`" in error.message
    assert said in error.message
    assert error.diagnostics[0].help
    assert engine.runs() == [] or parameter == "run"


def test_arguments_that_can_be_gone_through_once_are_not_lost_on_the_way(
    engine: flowmetal.Engine,
) -> None:
    with pytest.raises(UsageError, match="type generator"):
        engine.start(PROGRAM, (n for n in [1]))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="type generator"):
        engine.start_many(PROGRAM, [flowmetal.Beginning(n for n in [1])])  # type: ignore[arg-type]


def test_what_is_like_what_a_function_takes_is_taken(engine: flowmetal.Engine) -> None:
    run, _ = engine.start(PROGRAM, flowmetal.from_python([1]))
    assert engine.result(run) == 1
    many = (flowmetal.Beginning((n,), id=f"r-{n}") for n in range(2))
    assert engine.start_many(PROGRAM, many) == [("r-0", True), ("r-1", True)]
    assert flowmetal.grants(env=(name for name in ["A", "B"])).env == {"A", "B"}


def test_a_state_that_there_is_not_is_told_with_those_that_there_are(
    engine: flowmetal.Engine,
) -> None:
    with pytest.raises(UsageError, match="'done' is no state") as refused:
        engine.runs(states=["done"])
    assert "completed" in refused.value.diagnostics[0].help[0]


@pytest.mark.parametrize("concurrency", [0, -1])
def test_no_runs_at_a_time_are_refused(engine: flowmetal.Engine, concurrency: int) -> None:
    with pytest.raises(UsageError, match="at least one run at a time"):
        engine.interpret(concurrency=concurrency, until_idle=True)


def test_every_parameter_of_the_api_has_a_row_or_a_reason() -> None:
    unknown = set()
    for holder in (flowmetal.Engine, flowmetal.Machine, flowmetal.compile, flowmetal.grants):
        names = [name for name in dir(holder) if not name.startswith("_")]
        members = [getattr(holder, name) for name in names] if inspect.isclass(holder) else [holder]
        for member in filter(callable, members):
            for parameter in inspect.signature(member).parameters.values():
                said = str(parameter.annotation)
                if parameter.name == "self":
                    continue
                if said.removesuffix(" | None") not in checking._ROWS and said not in UNCHECKED:
                    unknown.add((member.__name__, parameter.name, said))
    assert unknown == set()
