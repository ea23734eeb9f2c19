"""Patterns of paths."""

from __future__ import annotations

import glob
import os
from pathlib import Path

import pytest

from flowmetal.connectors.globbing import matching


@pytest.fixture
def tree(tmp_path: Path) -> str:
    for folder in ("a/b/c", "a/.hidden", "empty", ".git"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("x.txt", "a/x.txt", "a/b/c/x.txt", "a/.hidden/x.txt", ".git/x.txt", "a/b/[1].md"):
        (tmp_path / file).write_text("")
    return str(tmp_path)


@pytest.mark.parametrize(
    "pattern",
    [
        "*", "**", "**/", "*/", "*.txt", "**/*.txt", "**/x.txt", "a/**", "a/**/x.txt", "**/b/**", "**/*/**/*",
        "**/**/x.txt", "a/*/c", "x.txt/", "x.txt/*", "none", ".*", ".*/*", "**/.hidden/*",
        "a/b/[[]1].md", "a/?/[a-c]", "a//b", "./a/*", "a**", "",
    ],
)  # fmt: skip
def test_a_pattern_means_what_it_means_elsewhere(tree: str, pattern: str) -> None:
    usual = {os.path.normpath(p) for p in glob.glob(pattern, root_dir=tree, recursive=True) if p}
    assert {os.path.normpath(path) for path in matching(tree, pattern)} == usual


@pytest.mark.parametrize("pattern", ["none/**", "x.txt/**"])
def test_what_is_no_folder_has_nothing_below_it(tree: str, pattern: str) -> None:
    assert matching(tree, pattern) == set()


def test_links_that_lead_back_are_not_followed(tree: str) -> None:
    for name in ("l", "m", "n"):
        os.symlink(".", f"{tree}/a/{name}")
    assert matching(tree, "**/x.txt") == {"x.txt", "a/x.txt", "a/b/c/x.txt"}
    assert matching(tree, "a/l/x.txt") == {"a/l/x.txt"}, "a link that is named is followed"
