"""Libraries of a project: other folders, commits of repositories, and what is wrong with them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from flowmetal.embed.config import source_roots
from flowmetal.errors import FlowmetalError
from tests.shell import Shell


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def project(folder: Path, edn: str, **files: str) -> Path:
    (folder / "src").mkdir(parents=True)
    (folder / "flow.edn").write_text(edn)
    for name, text in files.items():
        (folder / "src" / f"{name}.flow").write_text(text)
    return folder


def roots(folder: Path) -> list[str]:
    base = folder.resolve().parent
    return [str(root.resolve().relative_to(base)) for root in source_roots(folder / "src/x.flow")]


def problem(folder: Path) -> FlowmetalError:
    with pytest.raises(FlowmetalError) as caught:
        source_roots(folder / "src/x.flow")
    assert caught.value.diagnostics[0].span is not None
    return caught.value


def git(folder: Path, *words: str) -> str:
    author = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    done = subprocess.run(
        ["git", *author, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> tuple[Path, str]:
    """A repository with a library, and a commit that is not its last one."""
    folder = project(tmp_path / "units", "{}", units="(ns units) (defn grams [kg] (* 1000 kg))")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    sha = git(folder, "rev-parse", "HEAD")
    (folder / "src" / "units.flow").write_text("(ns units) (defn grams [kg] :changed)")
    git(folder, "commit", "-qam", "second")
    return folder, sha


def test_libraries_in_folders_are_followed_depth_first(tmp_path: Path) -> None:
    project(tmp_path / "c", '{:paths ["src" "more"]}')
    project(tmp_path / "b", '{:deps {c/c {:local/root "../c"}}}')
    project(tmp_path / "d", "{}")
    main = '{:paths ["src"] :deps {b/b {:local/root "../b"} d/d {:local/root "../d"} c/c {:local/root "../c"}}}'
    assert roots(project(tmp_path / "a", main)) == ["a/src", "b/src", "c/src", "c/more", "d/src"]


def test_a_program_uses_a_commit_and_asks_the_network_once(
    shell: Shell, repository: tuple[Path, str]
) -> None:
    folder, sha = repository
    edn = f'{{:deps {{acme/units {{:git/url "file://{folder}" :git/sha "{sha}"}}}}}}'
    text = "(ns shop (:require [units :as u])) (defn main [] (u/grams 2))"
    made = project(shell.folder / "shop", edn, shop=text)
    shell.monkeypatch.setenv("FLOWMETAL_STORE", "memory:")
    first = shell("fmvm", "run", made / "src/shop.flow")
    assert (first.status, first.out) == (0, "2000\n"), first.err
    folder.rename(folder.parent / "gone")
    assert shell("fmvm", "run", made / "src/shop.flow").out == "2000\n"


def test_a_folder_below_the_root_of_a_repository_may_be_the_library(
    tmp_path: Path, repository: tuple[Path, str]
) -> None:
    _folder, sha = repository
    where = f'{{:git/url "../units" :git/sha "{sha}" :deps/root "src"}}'
    found = roots(project(tmp_path / "a", f"{{:deps {{acme/units {where}}}}}"))
    assert found == ["a/src", f"cache/flowmetal/git/{sha}/src"]


def test_what_the_project_itself_says_of_a_library_counts(tmp_path: Path) -> None:
    project(tmp_path / "c", "{}")
    project(tmp_path / "c2", "{}")
    project(tmp_path / "b", '{:deps {c/c {:local/root "../c"}}}')
    main = '{:deps {b/b {:local/root "../b"} c/c {:local/root "../c2"}}}'
    assert roots(project(tmp_path / "a", main)) == ["a/src", "b/src", "c2/src"]


def test_two_libraries_that_want_a_third_from_two_places_are_refused(tmp_path: Path) -> None:
    project(tmp_path / "c", "{}")
    project(tmp_path / "c2", "{}")
    project(tmp_path / "b", '{:deps {c/c {:local/root "../c"}}}')
    project(tmp_path / "d", '{:deps {c/c {:local/root "../c2"}}}')
    main = '{:deps {b/b {:local/root "../b"} d/d {:local/root "../d"}}}'
    error = problem(project(tmp_path / "a", main))
    assert error.code == "FM1321"
    assert [label.span.path.rpartition("/")[0][-1] for label in error.diagnostics[0].labels] == [
        "d",
        "b",
    ]


def test_a_circle_is_shown(tmp_path: Path) -> None:
    project(tmp_path / "b", '{:deps {a/a {:local/root "../a"}}}')
    error = problem(project(tmp_path / "a", '{:deps {b/b {:local/root "../b"}}}'))
    assert error.code == "FM1321"
    assert error.message.endswith("this project -> b/b -> a/a")


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ('{:local/root "../none"}', "there is no folder"),
        ('{:local/root "../loop"}', "there is no folder"),
        (f'{{:git/url "../none" :git/sha "{"0" * 40}"}}', "does not appear to be a git repository"),
        (f'{{:git/url "../units" :git/sha "{"0" * 40}"}}', "git says"),
        (f'{{:git/url "ext::touch x" :git/sha "{"0" * 40}"}}', "git says"),
    ],
)
def test_a_library_that_is_not_to_be_had_is_named_with_the_reason(
    tmp_path: Path, repository: tuple[Path, str], where: str, why: str, cache: Path
) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    error = problem(project(tmp_path / "a", f"{{:deps {{x/x {where}}}}}"))
    assert error.code == "FM1322"
    assert why in error.diagnostics[0].labels[0].text
    assert not cache.exists() or list((cache / "flowmetal" / "git").iterdir()) == []


@pytest.mark.parametrize(
    ("edn", "why"),
    [
        ("[]", "is not one map"),
        ("{} 1", "is not one map"),
        ("", "is not one map"),
        ('{:paths "src"}', "where sources are"),
        ("{:paths [1]}", "where sources are"),
        ("{:deps []}", "a map of libraries"),
        ("{:deps {:x {}}}", "a symbol"),
        ("{:deps {x/x {}}}", "where is `x/x`?"),
        ('{:deps {x/x "../x"}}', "where is `x/x`?"),
        ("{:deps {x/x {:local/root 5}}}", "is a string"),
        ('{:deps {x/x {:local/rot "."}}}', ":local/rot"),
        ('{:deps {x/x {:git/url "u"}}}', "no :git/sha"),
        ('{:deps {x/x {:git/url "u" :git/sha "main"}}}', "whole commit hash"),
        (f'{{:deps {{x/x {{:git/url "-u" :git/sha "{"a" * 40}"}}}}}}', "no address"),
        (f'{{:deps {{x/x {{:git/url "u" :git/sha "{"a" * 40}" :deps/root "../.."}}}}}}', "inside"),
        ('{:deps {x/x {:local/root "." :git/url "u"}}}', "one place"),
    ],
)
def test_a_project_file_that_is_not_understood_is_pointed_at(
    tmp_path: Path, edn: str, why: str
) -> None:
    error = problem(project(tmp_path / "a", edn))
    assert error.code == "FM1317"
    assert why in error.message
