"""The files of a new project: a program that runs, and a test of it that passes.

Whatever a project begins with is here, so that the tutorial, ``fmc new`` and
its test cannot tell different stories.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from flowmetal.embed.files import write_bytes
from flowmetal.errors import UsageError

_TAKEN: Final = frozenset({"flow", "clojure"})
"""First words of namespaces that are the library's."""

_PROJECT = """\
{:paths ["src" "test"]}
"""

_IGNORED = """\
*.fmb
*.db
*.db-shm
*.db-wal
"""

_README = """\
# NAME

Run the tests, run the program, see what has run, look a name up:

    fmc test
    fmvm run src/FOLDER/main.flow Ann
    fmvm ps
    fmc doc str/join
"""

_MAIN = """\
(ns NAME.main
  "Greets people. What it waits for, it goes on to wait for after a restart."
  (:require [flow.string :as str]
            [flow.time :refer [ms]]))

(defn greeting
  "Return a greeting of one or more people."
  [people]
  (str "Hello, " (str/join " and " people) "!"))

(defn main
  "Greet the people that the arguments name."
  [& people]
  (let [people (if (empty? people) ["world"] people)]
    (sleep! (ms 100))
    (greeting people)))
"""

_TEST = """\
(ns NAME.main-test
  (:require [flow.test :refer [deftest is]]
            [NAME.main :as main]))

(deftest greets-one
  (is (= "Hello, Ann!" (main/greeting ["Ann"]))))

(deftest greets-several
  (is (= "Hello, Ann and Bob!" (main/main "Ann" "Bob"))))

(deftest greets-the-world
  (is (= "Hello, world!" (main/main))))
"""

_FILES: Final = {
    "flow.edn": _PROJECT,
    ".gitignore": _IGNORED,
    "README.md": _README,
    "src/FOLDER/main.flow": _MAIN,
    "test/FOLDER/main_test.flow": _TEST,
}


def new_project(folder: str) -> tuple[str, ...]:
    """Write the files of a project into ``folder`` and return their paths below it.

    Raises UsageError FM1318 if there is something already, FM1312 if it cannot be written.
    """
    _need_nothing_in(folder)
    name = name_for(folder)
    words = {"NAME": name, "FOLDER": name.replace("-", "_")}
    written = []
    for path, text in _FILES.items():
        file = Path(folder, _filled(path, words))
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                "FM1312", f"{file.parent} cannot be made: {(error.strerror or str(error)).lower()}"
            ) from None
        write_bytes(str(file), _filled(text, words).encode(), hint="name another folder")
        written.append(_filled(path, words))
    return tuple(written)


def name_for(folder: str) -> str:
    """Return the first word of the namespaces of a project in ``folder``."""
    name = re.sub(r"[^a-z0-9]+", "-", os.path.basename(os.path.abspath(folder)).lower()).strip("-")
    if not name:
        return "app"
    return f"app-{name}" if name[0].isdigit() or name in _TAKEN else name


def _need_nothing_in(folder: str) -> None:
    if not folder:  # a variable of a script that is not set; the files would go into this folder
        raise UsageError(
            "FM1318",
            "the folder has no name",
            hint="write `.` for this folder, which must be empty",
        )
    try:
        there = os.listdir(folder)
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        raise UsageError("FM1318", f"{folder} is no folder that can be filled") from None
    if there:
        raise UsageError(
            "FM1318",
            f"{folder} is not empty: it has {sorted(there)[0]}",
            hint="name a folder that is not there yet",
        )


def _filled(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text
