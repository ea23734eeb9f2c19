"""Record again what Clojure answers to the corpus. No test needs Clojure; only this script does.

On Debian ``apt-get install clojure`` brings all that is needed; elsewhere name
the jars of Clojure 1.11, spec.alpha and core.specs.alpha in ``CLOJURE_JARS``,
separated by colons. Then, from the root of the repository::

    python -m tests.differential.record

writes the generated expressions (generator.py; the seed is fixed), evaluates
every file of ``corpus/`` in one Java process each, and writes ``answers/``.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from tests.differential.cases import AREAS, HERE, answers_file, read_area
from tests.differential.generator import write_generated

DEBIAN = "/usr/share/java"
JARS = os.environ.get(
    "CLOJURE_JARS",
    f"{DEBIAN}/clojure-1.11.jar:{DEBIAN}/spec.alpha.jar:{DEBIAN}/core.specs.alpha.jar",
)


def record(name: str) -> None:
    """Write Clojure's answers to an area."""
    area = read_area(name)
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "asked", Path(folder) / "answered"
        asked.write_text("\n".join((*area.definitions, *area.expressions)) + "\n", "utf-8")
        subprocess.run(
            [
                *("java", "-Duser.timezone=UTC", "-Dfile.encoding=UTF-8", "-cp", JARS),
                *("clojure.main", str(HERE / "record.clj")),
                *(str(asked), str(answered), name),
            ],
            check=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        lines = answered.read_text("utf-8").splitlines(keepends=True)
    answers_file(name).write_text("".join(lines[len(area.definitions) :]), "utf-8")


if __name__ == "__main__":
    write_generated()
    answers_file("x").parent.mkdir(exist_ok=True)
    for area_name in AREAS:
        record(area_name)
