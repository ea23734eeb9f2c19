"""Every public name of the library has examples, and each gives what it says. See sections.py."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from flowmetal.embed.documenting import is_meant_for_users
from flowmetal.embed.examples import FOLDER, examples_of, full_name, groups
from flowmetal.embed.library import library
from flowmetal.embed.special_documentation import SPECIAL
from flowmetal.stdlib.examples import FILES
from flowmetal.values import keyword
from tests.stdlib.sections import Evaluation
from tests.stdlib.server import serving

_PRIVATE = keyword("private")

PRICES = """{:flowmetal/cassette 1
 :calls [{:kind "http/request"
          :args {:method :get, :url "https://shop.example/items/7"}
          :value {:status 200, :headers {}, :body {:price 3}}}]}
"""


@cache
def public_names() -> dict[str, None]:
    names = dict.fromkeys(SPECIAL)
    for module in library():
        for definition in module.definitions:
            namespace, _, name = definition.name.partition("/")
            private = definition.meta is not None and definition.meta.get(_PRIVATE)
            if name and not private and is_meant_for_users(name) and "@" not in name:
                names[full_name(namespace, name)] = None
    return names


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evaluation]:
    with serving() as server:
        folder = tmp_path_factory.mktemp("tests")
        (folder / "prices.edn").write_text(PRICES)
        yield Evaluation(server, folder)


@pytest.mark.parametrize("group", groups(), ids=lambda group: group.file)
def test_examples_give_what_they_say(
    group, evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOP_REGION", "north")
    monkeypatch.setenv("DATABASE_URL", "postgresql:///shop")
    config = '{:config {:port 8080 :db {:url #env "DATABASE_URL"}}}'
    (tmp_path / "flow.edn").write_text(config)
    wrong = [one for section in group.sections for one in evaluation.complaints(group, section)]
    assert not wrong, "\n" + "\n".join(wrong)


def test_every_public_name_has_examples() -> None:
    without = [name for name in public_names() if examples_of(name) is None]
    assert without == [], "add them in flowmetal/stdlib/examples/, then: make docs"


def test_examples_are_of_public_names_and_each_name_has_one_place() -> None:
    names = [section.name for group in groups() for section in group.sections]
    assert [name for name in names if name not in public_names()] == []
    assert sorted(names) == sorted(set(names))


def test_names_to_look_at_are_public_names() -> None:
    known = public_names()
    for group in groups():
        for section in group.sections:
            for name in section.see:
                space, _, word = name.rpartition("/") if "/" in name[1:] else ("", "", name)
                assert full_name(space or group.namespace, word) in known, (section.name, name)


def test_the_files_of_examples_are_those_there_are() -> None:
    found = [path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.flow")]
    assert sorted(found) == sorted(FILES)
