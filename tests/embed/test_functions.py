"""Functions of the host: what they may be, and what becomes of what they raise."""

from __future__ import annotations

import asyncio
import datetime
import functools
import http
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flowmetal
from flowmetal.embed.functions import functions_of
from flowmetal.errors import FlowmetalError, StoreError, UsageError
from flowmetal.values import ErrorValue, keyword, pr_str

SOURCE = """(ns p)
(defforeign f [])
(defn main [] (f))
(defn types [] (try (f) (catch Throwable e [(:type e) (ex-message e) (ex-data e)])))
(defn other [] (sleep! #dur "20ms") 1)
"""


def driven(function: Callable[..., Any], entry: str = "main", *, slow: bool = False) -> Any:
    marked = flowmetal.foreign("p/f", slow=slow)(function)
    with flowmetal.Engine("memory:", functions=[marked]) as engine:
        return engine.result(engine.start(flowmetal.compile(SOURCE), entry=entry)[0])


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("kind", [SystemExit, asyncio.CancelledError, GeneratorExit, BaseException])
def test_what_a_function_raises_ends_its_call_and_no_interpreter(kind, slow: bool) -> None:
    """A quick function that cancelled itself was called again and again, thousands of times a second."""
    calls = []

    def ends() -> None:
        calls.append(1)
        raise kind("enough")

    marked = flowmetal.foreign("p/f", slow=slow)(ends)
    with flowmetal.Engine("memory:", functions=[marked]) as engine:
        program = flowmetal.compile(SOURCE)
        run, beside = (engine.start(program, entry=entry)[0] for entry in ("main", "other"))
        engine.interpret(until_idle=True)
        error = engine.view(run).error
        assert (error.type.text, "enough" in error.message) == ("connector/failed", True)
        assert engine.result(beside) == 1
    assert len(calls) == 1


@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit, BaseException])
def test_a_coroutine_function_that_exits_ends_its_call(kind) -> None:
    async def ends() -> None:
        raise kind(2)

    assert driven(ends, "types").nth(0).text == "connector/failed"


class Text(str):
    """As translations and templates have them."""


class Translated(Exception):
    def __str__(self) -> str:
        return Text("not today")


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError("half made")


class Bare(flowmetal.EffectFailed):
    def __init__(self) -> None:
        pass


@pytest.mark.parametrize("how", ["quick", "slow", "coroutine"])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Translated(), "p/f failed: Translated: not today"),
        (Unprintable(), "p/f failed: Unprintable: it cannot be printed (ValueError)"),
        (flowmetal.EffectFailed.of("a/b", Text("no")), "no"),
        (Bare(), "p/f failed, and its error is not data: it is another value"),
        (
            flowmetal.EffectFailed(ErrorValue(keyword("a/b"), Text("no"))),
            "p/f failed, and its error is not data: a value of the Python type Text is not data",
        ),
        (
            flowmetal.EffectFailed(ErrorValue(keyword("a/b"), "no", retryable=1)),
            "p/f failed, and its error is not data: these bytes are not data",
        ),
    ],
)
def test_whatever_error_a_function_raises_is_one_of_its_call(error, said: str, how: str) -> None:
    def ends() -> None:
        raise error

    async def later() -> None:
        raise error

    found = driven(later if how == "coroutine" else ends, "types", slow=how == "slow")
    assert found.nth(1).startswith(said)


def test_a_module_may_hold_what_answers_no_questions(tmp_path) -> None:
    """As the request of a web framework does outside of one."""
    path = tmp_path / "hosted.py"
    path.write_text(
        "import flowmetal\n"
        "class Request:\n"
        "    def __getattr__(self, name): raise RuntimeError('there is no request')\n"
        "class Any:\n"
        "    def __getattr__(self, name): return Any()\n"
        "request, any = Request(), Any()\n"
        "@flowmetal.foreign('p/f')\n"
        "def f(): return 3\n"
    )
    with flowmetal.Engine("memory:", modules=[str(path)]) as engine:
        assert engine.result(engine.start(flowmetal.compile(SOURCE))[0]) == 3


def test_ctrl_c_in_a_function_is_meant_for_the_process() -> None:
    def ends() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        driven(ends)


class Later:
    async def __call__(self) -> int:
        return 7


async def later(n: int) -> int:
    return n


@pytest.mark.parametrize("function", [Later(), functools.partial(later, 7)])
def test_an_object_whose_call_is_a_coroutine_is_awaited(function) -> None:
    assert driven(function) == 7


def test_an_error_of_a_function_has_the_type_and_the_data_that_it_says() -> None:
    def declines() -> None:
        raise flowmetal.EffectFailed.of("card/declined", "no money", {"amount": 10})

    assert pr_str(driven(declines, "types")) == '[:card/declined "no money" {:amount 10}]'


def test_a_policy_tries_again_what_a_function_says_may_be_tried_again() -> None:
    calls = []

    def busy() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise flowmetal.EffectFailed.of("bank/busy", "later", retryable=True)
        return 5

    text = (
        '(ns p) (defforeign f {:retry {:max-attempts 3 :backoff #dur "1ms"}} []) (defn main [] (f))'
    )
    with flowmetal.Engine(
        "memory:", functions=[flowmetal.foreign("p/f", slow=True)(busy)]
    ) as engine:
        assert engine.result(engine.start(flowmetal.compile(text))[0]) == 5


def test_a_declared_function_can_be_verified_and_undone() -> None:
    said = []

    def pay(amount: int) -> str:
        said.append(f"pay {amount}")
        raise flowmetal.EffectFailed.of("effect/in-doubt", "nobody knows")

    def back(amount: int, receipt: str) -> None:
        said.append(f"back {amount} {receipt}")

    text = """(ns p (:require [flow.saga :refer [saga!]]))
      (defforeign back [amount receipt])
      (defforeign pay {:timeout #dur "5s" :verify (fn [_] (str "receipt-" amount)) :undo (fn [r] (back amount r))} [amount])
      (defn main [] (saga! (throw (ex-info (pay 7) {}))))"""
    functions = [flowmetal.foreign(f"p/{f.__name__}")(f) for f in (pay, back)]
    with flowmetal.Engine("memory:", functions=functions) as engine:
        run, _ = engine.start(flowmetal.compile(text))
        engine.interpret(until_idle=True)
        assert engine.view(run).error.message == "receipt-7"
    assert said == ["pay 7", "back 7 receipt-7"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("{:timout 5}", "`defforeign` has no option :timout"),
        ("{:timeout (seconds 5)}", "the options of `defforeign` are data"),
        ("{:undo nobody}", "unknown name `nobody`"),
    ],
)
def test_options_of_a_declared_function_are_checked_when_it_is_compiled(
    options: str, message: str
) -> None:
    with pytest.raises(FlowmetalError, match=re.escape(message)):
        flowmetal.compile(f"(ns p) (defforeign f {options} [x]) (defn main [] (f 1))")


@pytest.mark.parametrize("type_", ["flow/cancelled", "a b", ""])
def test_a_type_that_no_function_can_throw_is_refused(type_: str) -> None:
    with pytest.raises(ValueError, match="cannot be the type of an error"):
        flowmetal.EffectFailed.of(type_, "no")


def test_a_message_that_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be the message of an error"):
        flowmetal.EffectFailed.of("card/declined", 402)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["f", "a b/c", "", "p/", max])
def test_a_name_that_no_program_can_declare_is_refused(name) -> None:
    with pytest.raises(UsageError) as caught:
        flowmetal.foreign(name)
    assert caught.value.code == "FM1313"


@pytest.mark.parametrize("function", [time.time, "text".upper, [].append])
def test_a_function_that_cannot_be_marked_is_refused(function) -> None:
    with pytest.raises(UsageError) as caught:
        flowmetal.foreign("p/f")(function)
    assert caught.value.code == "FM1313"


def test_two_functions_of_one_name_are_refused_and_one_given_twice_is_one() -> None:
    one, two = (flowmetal.foreign("p/f")(lambda n=n: n) for n in (1, 2))
    program = flowmetal.compile(SOURCE)
    with flowmetal.Engine("memory:", functions=[one, one]) as engine:
        assert engine.result(engine.start(program)[0]) == 1
    with (
        pytest.raises(UsageError) as caught,
        flowmetal.Engine("memory:", functions=[one, two]) as engine,
    ):
        engine.start(program)
    assert caught.value.code == "FM1313"


def test_a_coroutine_drives_in_a_thread_and_is_told_so() -> None:
    marked = flowmetal.foreign("p/f", slow=True)(lambda: 3)

    async def drive(engine: flowmetal.Engine, run: str) -> object:
        for call in (lambda: engine.result(run), engine.interpret):
            with pytest.raises(UsageError) as caught:
                call()
            assert caught.value.code == "FM1139"
        return await asyncio.to_thread(engine.result, run)

    with flowmetal.Engine("memory:", functions=[marked]) as engine:
        assert asyncio.run(drive(engine, engine.start(flowmetal.compile(SOURCE))[0])) == 3


@pytest.mark.parametrize("store", ["memory:", "sqlite:{}/runs.db"])
def test_an_interpreter_whose_store_is_closed_ends(store: str, tmp_path) -> None:
    engine = flowmetal.Engine(store.format(tmp_path))
    run, _ = engine.start(flowmetal.compile(SOURCE), entry="other")
    ended: list[BaseException] = []

    def interpret() -> None:
        try:
            engine.interpret()
        except StoreError as error:
            ended.append(error)

    thread = threading.Thread(target=interpret)
    thread.start()
    while engine.view(run).state != "completed":
        engine.store.wait_for_change(0.05)
    engine.close()
    thread.join(10)
    assert not thread.is_alive()
    assert [error.code for error in ended] == ["FM1017"]
    with pytest.raises(StoreError):
        engine.interpret(until_idle=True)


@pytest.mark.parametrize("tags", [{"a": 1}, {1: "a"}, {"a": None}])
def test_tags_that_are_no_texts_are_refused(tags) -> None:
    with flowmetal.Engine("memory:") as engine, pytest.raises(UsageError) as caught:
        engine.start(flowmetal.compile(SOURCE), tags=tags)
    assert caught.value.code == "FM1309"


def test_a_quick_function_is_not_called_with_an_option_that_is_refused() -> None:
    called: list[str] = []

    @flowmetal.foreign("p/f")
    def f() -> None:
        called.append("f")

    @flowmetal.foreign("p/g")
    def g() -> int:
        called.append("g")
        return 2

    source = """(ns p (:require [flow.async :refer [all!]]))
      (defforeign f {:at-most-once true :timeout 5} [])
      (defforeign g {:at-most-once true} [])
      (defn main [] (all! (try (f) (catch :effect/bad-argument _ 1)) (g)))"""
    with flowmetal.Engine("memory:", functions=[f, g]) as engine:
        run, _ = engine.start(flowmetal.compile(source))
        assert str(engine.result(run)) == "[1 2]"
        assert engine.verify(run).problems == []
    assert called == ["g"]


@pytest.mark.parametrize("slow", [False, True])
def test_after_a_timeout_an_at_most_once_function_is_in_doubt(slow: bool) -> None:
    called: list[str] = []

    @flowmetal.foreign("p/f", slow=slow)
    def f() -> None:
        called.append("f")
        raise flowmetal.EffectFailed.of("timeout", "no answer", retryable=True)

    source = """(ns p) (defforeign f {:at-most-once true} [])
      (defn main [] (step! "s" {:retry {:backoff #dur "1ms"}} (f)))"""
    with flowmetal.Engine("memory:", functions=[f]) as engine:
        run, _ = engine.start(flowmetal.compile(source))
        error = engine.drive(run).error
        assert isinstance(error, ErrorValue)
        assert (error.type.text, error.cause.type.text) == ("effect/in-doubt", "timeout")
        assert engine.verify(run).problems == []
    assert called == ["f"]


def test_a_file_takes_the_place_of_no_module(tmp_path: Path) -> None:
    """A file of functions named http.py left the interpreter without the one of Python: its first request was a crash."""
    text = 'import flowmetal\n@flowmetal.foreign("p/f")\ndef f(): return 1\n'
    for name in ("http", "quite_unknown"):
        (tmp_path / f"{name}.py").write_text(text)
        for _ in range(2):
            (function,) = functions_of([str(tmp_path / f"{name}.py")])
            assert function() == 1
    assert sys.modules["http"] is http
    assert sys.modules.pop("quite_unknown").f() == 1


@pytest.mark.parametrize("how", ["quick", "slow", "coroutine"])
def test_a_function_that_returns_what_is_no_data_is_not_called_again_for_that(how: str) -> None:
    """It has charged the card, and would charge it again."""
    calls = []

    def charges() -> object:
        calls.append(1)
        return {"at": datetime.datetime.now(datetime.UTC)}

    async def charges_later() -> object:
        return charges()

    marked = flowmetal.foreign("p/f", slow=how == "slow")(
        charges_later if how == "coroutine" else charges
    )
    source = """(ns p)
(defforeign f {:retry 3} [])
(defn main [] (try (f) (catch :connector/failed e [(ex-message e) (:retryable? e)])))
"""
    with flowmetal.Engine("memory:", functions=[marked]) as engine:
        message, again = engine.result(engine.start(flowmetal.compile(source))[0])
    assert len(calls) == 1
    assert not again
    assert message.endswith('datetime has no form in JSON; write {"$inst": value.isoformat()}')
