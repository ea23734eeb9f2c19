"""What the documentation shows is run: Python as it stands, programs and commands in order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    text = (ROOT / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


EMBEDDING = blocks("docs/embedding.md", "python") + blocks("README.md", "python")


@pytest.mark.parametrize("number", range(len(EMBEDDING)))
def test_python_in_the_documentation_runs_as_it_stands(number: int) -> None:
    exec(compile(EMBEDDING[number], f"block {number}", "exec"), {"__name__": "documentation"})


def test_the_tour_of_the_readme_works(shell) -> None:
    hello = blocks("README.md", "clojure")[0].replace('#dur "1s"', '#dur "1ms"')
    shell.write("hello.flow", hello)
    (shell.folder / "examples").symlink_to(ROOT / "examples")
    done = []
    for block in blocks("README.md", "sh"):
        for line in block.splitlines():
            words = shlex.split(line)
            if words and words[0] in ("fmc", "fmvm"):
                shown = shell(*words)
                assert shown.status == 0, (line, shown)
                done.append(words[1])
    assert {"check", "compile", "inspect", "run", "ps", "show", "events", "start", "why", "signal", "resume", "export", "import"} <= set(done)  # fmt: skip


def test_what_the_readme_shows_first_is_what_one_sees(shell) -> None:
    shell.write("hello.flow", blocks("README.md", "clojure")[0].replace('#dur "1s"', '#dur "1ms"'))
    shown = shell("fmvm", "run", "hello.flow", "Ada", "--id", "hello")
    assert shown.err == "run hello\n"
    printed = "good morning, Ada\n" + "".join(f"step {n}\n" for n in range(1, 6))
    assert shown.out == printed + '"goodbye, Ada"\n'


@pytest.mark.parametrize("number", range(len(blocks("docs/tutorial.md", "clojure"))))
def test_programs_of_the_tutorial_compile(shell, number: int) -> None:
    text = blocks("docs/tutorial.md", "clojure")[number]
    if not text.startswith("(ns "):
        text = f"(ns part (:require [flow.http :as http]))\n(defn main [url] {text})"
    name = re.search(r"\(ns (\S+)", text)
    assert name
    file = f"{name[1].rstrip(')')}.flow"
    shell.write(file, text)
    shown = shell("fmc", "check", file)
    assert shown.status == 0, shown.err


def test_the_generated_pages_are_up_to_date() -> None:
    import subprocess
    import sys

    words = [sys.executable, "docs/generate.py", "--check"]
    shown = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr


@pytest.mark.parametrize(
    "text", [text for text in blocks("docs/failures.md", "clojure") if text.startswith("(ns ")]
)
def test_programs_of_the_page_on_failures_compile(shell, text: str) -> None:
    name = re.search(r"\(ns (\S+)", text)
    assert name
    shell.write(f"{name[1]}.flow", text)
    shown = shell("fmc", "check", f"{name[1]}.flow")
    assert shown.status == 0, shown.err
