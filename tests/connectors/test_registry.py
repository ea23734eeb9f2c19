"""Connectors that come from installed packages."""

from __future__ import annotations

import asyncio
from importlib.metadata import EntryPoint, EntryPoints

import pytest

import flowmetal
from flowmetal.effects.requests import Call
from flowmetal.values import Value


class Exits:
    kinds = frozenset({"mail/send"})

    async def perform(self, call: Call) -> Value:
        raise SystemExit(2)

    async def close(self) -> None:
        pass


class OfItsOwn(BaseException):
    """Such as some libraries have for what is not to be caught."""


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError("half made")


def exits() -> Exits:
    raise SystemExit(3)


def is_unprintable() -> Exits:
    raise Unprintable


def makes_nothing() -> None:
    return None


class Raises:
    """A connector that raises what it is told to, and cannot be closed."""

    kinds = frozenset({"mail/send"})

    async def perform(self, call: Call) -> Value:
        raise OfItsOwn("enough")

    async def close(self) -> None:
        raise OfItsOwn("closed")


class ClosesAtOnce(Exits):
    def close(self) -> None:  # type: ignore[override]
        pass


class NeverCloses(Exits):
    async def close(self) -> None:
        await asyncio.sleep(1000)


class CancelsItself(Exits):
    async def close(self) -> None:
        raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("exits", "cannot be loaded: SystemExit: 3"),
        ("is_unprintable", "cannot be loaded: Unprintable: it cannot be printed"),
        ("makes_nothing", "cannot be loaded: what it makes, a NoneType, performs nothing"),
        ("Raises", "OfItsOwn: enough"),
        ("ClosesAtOnce", "SystemExit: 2"),
        ("NeverCloses", "SystemExit: 2"),
        ("CancelsItself", "SystemExit: 2"),
    ],
)
def test_nothing_that_a_package_does_ends_an_interpreter(
    monkeypatch: pytest.MonkeyPatch, name: str, why: str
) -> None:
    monkeypatch.setattr("flowmetal.connectors.registry.CLOSING_S", 0.05)
    installed = EntryPoint("mail/send", f"{__name__}:{name}", "flowmetal.connectors")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: EntryPoints((installed,)))
    text = """(ns mail)
    (defforeign send {:retry :none} [to])
    (defn main [] (try (send "ada") (catch Throwable e (ex-message e))))"""
    with flowmetal.Engine("memory:") as engine:
        run, _ = engine.start(flowmetal.compile(text))
        assert why in engine.result(run)


def test_a_connector_that_exits_ends_its_call_and_no_interpreter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed = EntryPoint("mail/*", f"{__name__}:Exits", "flowmetal.connectors")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: EntryPoints((installed,)))
    text = '(ns mail) (defforeign send {:retry :none} [to]) (defn main [] (send "ada"))'
    with flowmetal.Engine("memory:") as engine:
        run, _ = engine.start(flowmetal.compile(text))
        engine.interpret(until_idle=True)
        assert "SystemExit: 2" in engine.view(run).error.message


def test_a_connector_that_cannot_be_loaded_fails_its_effects_and_harms_no_interpreter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = EntryPoint("mail/*", "nowhere_at_all:Mail", "flowmetal.connectors")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: EntryPoints((broken,)))
    text = '(ns mail) (defforeign send [to]) (defn main [] (send "ada"))'
    with flowmetal.Engine("memory:") as engine:
        run, _ = engine.start(flowmetal.compile(text))
        engine.interpret(until_idle=True)
        error = engine.view(run).error
        assert error.type.text == "connector/failed"
        assert "nowhere_at_all" in error.message
