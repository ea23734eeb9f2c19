from __future__ import annotations

import pytest

from flowmetal.bytecode.code import DefinitionKind
from flowmetal.embed.library import library
from flowmetal.embed.natives import natives
from flowmetal.errors import ErrorCode
from flowmetal.errors.codes_library import CODES
from flowmetal.stdlib import SOURCES
from flowmetal.stdlib.natives import EARLIER, all_natives
from flowmetal.values import FlowError, keyword
from tests.stdlib.world import World

DEFINITIONS = {d.name: d for module in library() for d in module.definitions if d.name}
DOC, ARGLISTS, PRIVATE = keyword("doc"), keyword("arglists"), keyword("private")


def test_every_native_is_declared_and_every_declaration_has_a_native() -> None:
    declared = {n for n, d in DEFINITIONS.items() if d.kind is DefinitionKind.NATIVE}
    assert declared - natives().keys() == set()
    assert all_natives().keys() - declared == EARLIER


@pytest.mark.parametrize(
    "name", sorted(n for n, d in DEFINITIONS.items() if d.kind is DefinitionKind.NATIVE)
)
def test_a_native_takes_as_many_arguments_as_its_declaration_says(name: str) -> None:
    meta = DEFINITIONS[name].meta
    assert meta is not None
    lists = [[symbol.text for symbol in arglist] for arglist in meta.get(ARGLISTS)]
    variadic = [names for names in lists if "&" in names]
    least = min(names.index("&") if "&" in names else len(names) for names in lists)
    most = None if variadic else max(len(names) for names in lists)
    native = natives()[name]
    assert (least, most) == (native.least, native.most)


def test_every_public_name_is_documented() -> None:
    silent = [
        name
        for name, definition in DEFINITIONS.items()
        if not name.partition("/")[2].startswith("-")
        and "@" not in name  # an entry of a table, which nobody can name
        and not (definition.meta is not None and definition.meta.get(DOC))
    ]
    assert silent == []


def test_docstrings_are_sentences() -> None:
    odd = [
        name
        for name, definition in DEFINITIONS.items()
        if definition.meta is not None
        and definition.meta.get(DOC)
        and not definition.meta.get(DOC).rstrip(')"').endswith((".", ":"))
    ]
    assert odd == []


def test_the_sources_are_all_files_there_are() -> None:
    from importlib.resources import files

    folder = files("flowmetal.stdlib") / "flow"
    found = [f.name for f in folder.iterdir() if f.name.endswith(".flow")]
    found += [f"core/{f.name}" for f in (folder / "core").iterdir() if f.name.endswith(".flow")]
    assert sorted(found) == sorted(SOURCES)


@pytest.mark.parametrize("row", CODES, ids=lambda row: row.code)
def test_an_error_code_is_raised_by_its_wrong_example_and_not_by_its_right_one(
    row: ErrorCode,
) -> None:
    with pytest.raises(FlowError) as caught:
        World().run(row.wrong)
    assert caught.value.error.code == row.code
    World().run(row.right)
