"""Record again what Clojure prints for the programs. No test needs Clojure; only this script does.

What it needs is what record.py needs. From the root of the repository::

    python -m tests.differential.record_programs [THEME...]

runs every program of ``programs/``, or of the themes named, in one Java process, each in a
thread with a stack of its own, and writes ``programs/answers/``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from tests.differential.cases import HERE
from tests.differential.programs import PROGRAMS, THEMES, answers_file
from tests.differential.record import JARS


def record_programs(themes: Sequence[str]) -> None:
    """Write what Clojure prints for the programs of some themes."""
    files = [
        path
        for theme in themes
        for path in (str(PROGRAMS / f"{theme}.clj"), str(answers_file(theme)))
    ]
    subprocess.run(
        [
            *("java", "-Duser.timezone=UTC", "-Dfile.encoding=UTF-8", "-cp", JARS),
            *("clojure.main", str(HERE / "record_programs.clj"), *files),
        ],
        check=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


if __name__ == "__main__":
    (PROGRAMS / "answers").mkdir(exist_ok=True)
    record_programs(sys.argv[1:] or THEMES)
