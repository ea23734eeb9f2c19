"""A run begun in one place, moved in the middle of a timeout around a race, and ended in another.

Two processes, each with a folder, a store and an environment of its own: only the file goes over.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
(ns travel
  (:require [flow.event :refer [receive!]]
            [flow.async :refer [with-timeout! race!]]
            [flow.time :refer [hours]]))

(defn slow [name wait]
  (try (sleep! wait) name
       (finally (println name "is over"))))

(defn leg [k]
  (with-timeout! (hours 1)
    (race! (slow :ship (hours 2))
           [k (receive! :arrived)])))

(defn main [place]
  (let [trip (atom [place])]
    (swap! trip conj (leg :train))
    (swap! trip conj (try (with-timeout! #dur "300ms" (race! (slow :mule (hours 3)) (receive! :never)))
                          (catch :timeout _ :late)))
    @trip))
"""


def fmvm(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one command in a process of its own, in the folder and on the store of ``home``."""
    environment = os.environ | {
        "HOME": str(home),
        "FLOWMETAL_STORE": f"sqlite:{home / 'runs.db'}",
        "PYTHONHASHSEED": str(len(str(home))),
    }
    script = "from flowmetal.cli.fmvm import main; main()"
    return subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_run_begun_on_one_machine_ends_right_on_another(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "machine-b"
    a.mkdir()
    b.mkdir()
    (a / "travel.flow").write_text(PROGRAM)
    started = fmvm(a, "start", "travel.flow", "home", "--id", "trip")
    assert started.returncode == 0, started.stderr
    assert fmvm(a, "interpreter", "--until-idle").returncode == 0
    exported = fmvm(a, "export", "trip", "-o", str(tmp_path / "trip.fms"))
    assert exported.returncode == 0, exported.stderr
    (a / "travel.flow").unlink()

    assert fmvm(b, "import", str(tmp_path / "trip.fms")).stdout == "trip\n"
    assert fmvm(b, "signal", "trip", "arrived", '"noon"').returncode == 0
    ended = fmvm(b, "resume", "trip")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ':ship is over\n:mule is over\n["home" [:train "noon"] :late]\n'
    assert fmvm(b, "verify", "trip").returncode == 0

    late = fmvm(a, "signal", "trip", "arrived", '"late"')
    assert late.returncode != 0
    assert "moved" in late.stderr
    assert fmvm(a, "resume", "trip").returncode == 4
