"""What the docstrings of the embedding API name is there."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

import flowmetal
import flowmetal.embed


def docstrings() -> Iterator[tuple[str, str]]:
    for found in pkgutil.iter_modules(flowmetal.embed.__path__, "flowmetal.embed."):
        module = importlib.import_module(found.name)
        members = [value for _, value in inspect.getmembers(module) if inspect.isclass(value)]
        members += [f for _, f in inspect.getmembers(module, inspect.isfunction)]
        for holder in (module, *members):
            for member in (holder, *vars(holder).values()):
                if text := inspect.getdoc(member):
                    yield found.name, text


def test_every_name_of_flowmetal_that_is_called_in_a_docstring_is_there() -> None:
    called = {
        (module, name)
        for module, text in docstrings()
        for name in re.findall(r"\bflowmetal\.(\w+)\(", text)
    }
    assert "Engine" in {name for _, name in called}
    assert {(module, name) for module, name in called if not hasattr(flowmetal, name)} == set()
