"""What the documentation shows is run: Python as it stands, programs and commands in order."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from flowmetal.embed.examples import Group, Section
from tests.docs.transcript import Terminal
from tests.stdlib.sections import Evaluation, steps_of

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


def test_the_tutorial_shows_what_one_sees() -> None:
    """In order, with real processes: a run that is killed with SIGKILL goes on in the next command."""
    with TemporaryDirectory(prefix="you-") as folder:  # its name is short: long lines are cut
        terminal = Terminal(Path(folder).resolve())
        wrong = list(terminal.follow((ROOT / "docs/tutorial.md").read_text("utf-8")))
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("page", ["docs/concurrency.md", "docs/language.md"])
def test_snippets_give_what_they_say(page: str, tmp_path: Path) -> None:
    evaluation = Evaluation("http://localhost:1", tmp_path)
    group = Group(page, "flow.core", "", "", "", ())
    snippets = blocks(page, "clojure")
    wrong = []
    for number, text in enumerate(snippets, 1):
        section = Section(f"block {number}", (), text, 1)
        if any(step.checked for step in steps_of(section)):
            wrong += evaluation.complaints(group, section)
    assert not wrong, "\n".join(wrong)


PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", (ROOT / page).read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        if "://" in target:
            continue
        there = (ROOT / page).parent / file if file else ROOT / page
        assert there.exists(), target
        if anchor and there.suffix == ".md":
            assert anchor in _anchors(there), target


@cache
def _anchors(page: Path) -> set[str]:
    text = page.read_text("utf-8")
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'<a id="([^"]+)">', text))


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
