"""Connectors that come from installed packages."""

from __future__ import annotations

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
