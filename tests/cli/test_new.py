from __future__ import annotations

import json

import pytest

from flowmetal.embed.project import name_for


def test_a_new_project_runs_and_its_tests_pass(shell) -> None:
    made = shell("fmc", "new", "My Orders")
    assert made.status == 0, made.err
    assert "My Orders/src/my_orders/main.flow" in made.out
    assert "cd 'My Orders'" in made.err
    shell.monkeypatch.chdir(shell.folder / "My Orders")
    tested = shell("fmc", "test")
    assert tested.status == 0, tested.out + tested.err
    assert "3 tests" in tested.out
    ran = shell("fmvm", "run", "src/my_orders/main.flow", "Ann", "Bob")
    assert ran.status == 0, ran.err
    assert "Hello, Ann and Bob!" in ran.out


def test_a_new_project_is_formatted_and_has_nothing_to_point_at(shell) -> None:
    shell("fmc", "new", "shop")
    files = [
        shell.folder / "shop" / path for path in ("src/shop/main.flow", "test/shop/main_test.flow")
    ]
    formatted = shell("fmc", "fmt", "--check", *files)
    assert formatted.status == 0, formatted.out + formatted.err
    linted = shell("fmc", "lint", *files)
    assert linted.status == 0, linted.out


def test_an_empty_folder_is_filled_and_the_files_are_listed_as_json(shell) -> None:
    (shell.folder / "empty").mkdir()
    made = json.loads(shell("fmc", "new", "empty", "--json").out)
    assert made["folder"] == "empty"
    assert all((shell.folder / "empty" / file).is_file() for file in made["files"])


def test_a_folder_with_something_in_it_is_refused_and_left_alone(shell) -> None:
    shell.write("mine/notes.txt", "keep me")
    refused = shell("fmc", "new", "mine")
    assert refused.status == 2
    assert "FM1318" in refused.err
    assert "notes.txt" in refused.err
    assert [path.name for path in (shell.folder / "mine").iterdir()] == ["notes.txt"]


def test_a_file_in_the_place_of_the_folder_is_refused(shell) -> None:
    shell.write("file", "x")
    assert "FM1318" in shell("fmc", "new", "file").err
    assert shell("fmc", "new", "file/below").status == 2


@pytest.mark.parametrize(
    ("folder", "name"),
    [("/x/Shop_2", "shop-2"), ("/x/2fast", "app-2fast"), ("/x/flow", "app-flow"), ("/", "app")],
)
def test_the_namespace_is_made_from_the_folder(folder: str, name: str) -> None:
    assert name_for(folder) == name


def test_a_folder_without_a_name_is_refused_and_nothing_here_is_overwritten(shell) -> None:
    shell.write("README.md", "mine")
    refused = shell("fmc", "new", "")
    assert refused.status == 2
    assert "FM1318" in refused.err
    assert [file.name for file in shell.folder.iterdir() if file.suffix != ".db"] == ["README.md"]
    assert (shell.folder / "README.md").read_text() == "mine"
