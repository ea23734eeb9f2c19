"""The expressions that both languages evaluate, and where they and Clojure's answers are.

``corpus/*.clj`` hold one expression a line. A line that begins with ``(def`` is
a definition for the lines of its file; one that begins with ``;`` is a comment.
``answers/*.tsv`` hold an expression and Clojure's answer on each line: what
``pr-str`` makes of the value, or ``!`` and the exception. Recording: record.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
AREAS = sorted(path.stem for path in (HERE / "corpus").glob("*.clj"))
ERROR = "!"
REQUIRED = (
    "(:require [clojure.string :as str] [clojure.set :as set]"
    " [clojure.walk :as walk] [clojure.edn :as edn])"
)


@dataclass(frozen=True, slots=True)
class Area:
    """The definitions and expressions of one file of the corpus, in its order."""

    name: str
    definitions: tuple[str, ...]
    expressions: tuple[str, ...]


def read_area(name: str) -> Area:
    """Read a file of the corpus."""
    lines = (HERE / "corpus" / f"{name}.clj").read_text("utf-8").splitlines()
    forms = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith(";")]
    return Area(
        name,
        tuple(form for form in forms if form.startswith("(def")),
        tuple(dict.fromkeys(form for form in forms if not form.startswith("(def"))),
    )


def answers_file(name: str) -> Path:
    """Return the file with Clojure's answers to an area."""
    return HERE / "answers" / f"{name}.tsv"


def read_answers(name: str) -> Mapping[str, str]:
    """Return Clojure's answers by expression."""
    lines = answers_file(name).read_text("utf-8").splitlines()
    return dict(line.split("\t", 1) for line in lines)
