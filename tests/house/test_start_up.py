"""What a command must not load before it has something to do with it (benchmarks/startup.py)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HELLO = '(ns hello)\n\n(defn main []\n  (println "hello")\n  :done)\n'

HEAVY = (
    "asyncio",
    "httpx",
    "http",
    "ssl",
    "subprocess",
    "logging",
    "random",
    "re2",
    "prompt_toolkit",
    "pygments",
    "psycopg",
    "yaml",
    "flowmetal.compiler",
    "flowmetal.connectors",
    "flowmetal.reader",
    "flowmetal.repl",
    "flowmetal.tools",
    "flowmetal.testing",
    "flowmetal.store.postgres",
    "flowmetal.store.operations.performing",
    "flowmetal.store.operations.vocabulary",
    "flowmetal.runtime.asking",
    "flowmetal.runtime.family",
    "flowmetal.runtime.interpreting",
    "flowmetal.runtime.performing",
    "flowmetal.stdlib.natives.backtracking",
    "flowmetal.stdlib.natives.regex_parsing",
)
"""Modules, and all that is inside of them: each takes a noticeable part of a command's time."""

CODE = """
import sys
sys.argv[0] = "fmvm"
from flowmetal.cli.fmvm import group
group.main(sys.argv[1:], standalone_mode=False)
print(*sorted(sys.modules), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def hello(tmp_path_factory) -> Path:
    """A compiled program that does next to nothing, beside a store that is there."""
    folder = tmp_path_factory.mktemp("hello")
    (folder / "hello.flow").write_text(HELLO)
    code = "import sys; sys.argv[0] = 'fmc'; from flowmetal.cli.fmc import main; main()"
    words = [sys.executable, "-c", code, "compile", "hello.flow"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    loaded_by(folder, "run", "hello.fmb")
    return folder


def loaded_by(folder: Path, *words: str) -> set[str]:
    """Return the modules that a command has loaded when it is done."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, *words],
        cwd=folder,
        env=os.environ | {"FLOWMETAL_STORE": f"sqlite:{folder}/runs.db"},
        check=True,
        capture_output=True,
        text=True,
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("words", [("run", "hello.fmb"), ("ps",)], ids=" ".join)
def test_a_command_loads_nothing_heavy_that_it_does_not_use(hello: Path, words) -> None:
    loaded = loaded_by(hello, *words)
    assert "flowmetal.store.sqlite" in loaded
    assert [m for m in sorted(loaded) if any(f"{m}.".startswith(f"{h}.") for h in HEAVY)] == []
