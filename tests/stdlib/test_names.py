"""Every name of Clojure's library that programs use exists, or its error says what to write instead.

``names.txt`` has the names by tiers, from the most used on. Names of the last tier
are replaced by a durable form or left out: they work all the same, or the
compiler refuses them with a hint.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest

from flowmetal.embed.session import Session
from flowmetal.embed.special_documentation import SPECIAL
from flowmetal.errors import CompileError
from flowmetal.source import Source
from flowmetal.values import keyword

ALIASES = {"str": "flow.string"}
LIBRARY = ("str", "set", "walk", "test", "edn", "pprint")
WITHOUT_A_VAR = {"test/thrown?", "test/thrown-with-msg?"}
"""Not names of their own: `is` knows them."""


def _tiers() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line in (Path(__file__).parent / "names.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            names = found.setdefault(line.strip("[]"), [])
        elif not line.startswith("#"):
            names += line.split()
    return found


TIERS = _tiers()
WANTED = [name for tier in ("must", "should", "completeness") for name in TIERS[tier]]


@lru_cache(maxsize=1)
def session() -> Session:
    return Session()


def full_name(name: str) -> str:
    alias, _, rest = name.partition("/")
    if alias in LIBRARY and rest:
        return f"{ALIASES.get(alias, 'flow.' + alias)}/{rest}"
    return "flow.test/use-fixtures" if name == "use-fixtures" else f"flow.core/{name}"


def documentation(name: str) -> str | None:
    var = session().environment.var(full_name(name))
    if var is not None:
        return None if var.meta is None else var.meta.get(keyword("doc"))
    return SPECIAL[name].doc if name in SPECIAL else None


def test_every_name_that_programs_use_exists_and_says_what_it_does() -> None:
    missing = [name for name in WANTED if not documentation(name)]
    assert set(missing) - WITHOUT_A_VAR == set()


@pytest.mark.parametrize("name", [n for n in TIERS["replaced"] if documentation(n) is None])
def test_a_name_that_is_left_out_is_refused_with_a_hint(name: str) -> None:
    call = "(. 1 length)" if name == "." else f"({name} 1)"
    with pytest.raises(CompileError) as caught:
        session().compile_text(Source("<text>", f"(ns left-out)\n(defn main [] {call})"))
    found = caught.value.diagnostics[0]
    assert found.help, found.message
