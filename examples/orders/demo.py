"""``make demo``: fifty orders, each charged exactly once, through kill -9 and a move.

A shop (server.py, real HTTP) counts what it is asked to do. ``fmvm`` runs
orders.flow against it, is killed with SIGKILL at bad moments, resumes, and moves
once to another store. Exits 1 unless every order was charged exactly once.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from server import Shop  # type: ignore[import-not-found]  # noqa: E402  # beside this file

FMC = (sys.executable, "-m", "flowmetal.cli", "fmc")
FMVM = (sys.executable, "-m", "flowmetal.cli", "fmvm")
RUN = "fifty-orders"

# Kill when the shop has done this and has not answered yet: (action, order).
KILLS = (("reserve", 1004), ("charge", 1011), ("ship", 1019), ("charge", 1028), ("charge", 1041))
MOVE_AFTER = ("ship", 1019)


class Demo:
    """One run of the demo in a folder of its own."""

    def __init__(self, folder: Path, quiet: bool = False) -> None:
        self.folder = folder
        self.quiet = quiet
        self.began = time.monotonic()
        self.kills = list(KILLS)
        self.killed: list[tuple[str, int]] = []
        self.process: subprocess.Popen[str] | None = None
        self.shop = Shop(before_answer=self.kill_here).start()

    def say(self, text: str = "") -> None:
        if not self.quiet:
            print(text, flush=True)

    def tell(self, text: str) -> None:
        self.say(f"{time.monotonic() - self.began:6.1f} s  {text}")

    def kill_here(self, action: str, order: int, requests: int) -> None:
        """Called by the shop when it has done ``action`` and nobody has heard of it."""
        if (action, order) not in self.kills:
            return
        self.kills.remove((action, order))
        self.killed.append((action, order))
        done = {"reserve": "reserved", "charge": "charged", "ship": "shipped"}[action]
        self.tell(f"kill -9: order {order} was {done}, and its answer is not sent yet")
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def command(self, *words: str) -> str:
        """Run a command to its end and return what it printed."""
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{shlex.join(words)}\nexit status {done.returncode}\n{done.stderr}")
        return done.stdout

    def drive(self, *words: str) -> str | None:
        """Run an interpreter until the run ends (its result) or it is killed (None)."""
        self.process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        out, err = self.process.communicate()
        if self.process.returncode == -signal.SIGKILL:
            return None
        if self.process.returncode:
            raise SystemExit(f"{shlex.join(words)}\nexit status {self.process.returncode}\n{err}")
        return out

    def play(self) -> Mapping[str, object]:
        """Play the whole demo and return what the shop saw."""
        program, report = self.folder / "orders.fmb", self.folder / "report.tsv"
        east, west = f"sqlite:{self.folder}/east.db", f"sqlite:{self.folder}/west.db"
        orders = HERE / "orders.json"
        self.command(*FMC, "compile", str(HERE / "orders.flow"), "-o", str(program))
        self.tell("fmc compile orders.flow")
        what = {"shop": self.shop.url, "orders": str(orders), "report": str(report)}
        grants = (
            f"--allow-http={self.shop.url.removeprefix('http://')}",
            f"--allow-fs=read:{orders},write:{report}",
        )
        self.tell(f"fmvm run orders.fmb --id {RUN} --store east.db")
        result = self.drive(
            *FMVM, "run", str(program), "--id", RUN, "--store", east, "--json",
            "--input", json.dumps(what), *grants,
        )  # fmt: skip
        store = east
        while result is None:
            if self.killed[-1] == MOVE_AFTER:
                store = self.move(east, west)
            self.tell(f"fmvm resume {RUN}")
            result = self.drive(*FMVM, "resume", RUN, "--store", store, "--json")
        self.tell(f"the run has ended: {result.strip()}")
        self.shop.stop()
        seen: dict[str, object] = self.shop.ledger.as_json()
        return seen | {"report": report.read_text().splitlines()}

    def move(self, east: str, west: str) -> str:
        """Move the run to another store as a file, and return that store."""
        file = str(self.folder / "run.fms")
        self.command(*FMVM, "export", RUN, "-o", file, "--store", east)
        self.command(*FMVM, "import", file, "--store", west)
        self.tell(f"fmvm export and import: {os.path.getsize(file):,} bytes, east.db -> west.db")
        return west


def verdict(seen: Mapping[str, object], kills: int) -> tuple[Sequence[str], bool]:
    """Return what happened in lines, and whether every order was charged exactly once."""
    orders = seen["orders"]
    report = seen["report"]
    assert isinstance(orders, dict)
    assert isinstance(report, list)
    times = [done.get("charge", 0) for done in orders.values()]
    expected = len(json.loads((HERE / "orders.json").read_text()))
    once = times.count(1)
    rows = (
        ("orders in the file", expected),
        ("charged exactly once", once),
        ("charged more than once", sum(count > 1 for count in times)),
        ("never charged", expected - sum(count > 0 for count in times)),
        ("lines in the report", len(report) - 1),
        ("kill -9", kills),
        ("requests the shop saw", seen["requests"]),
        ("... asked again under the same Idempotency-Key", seen["repeated"]),
    )
    good = once == expected == len(times) == len(report) - 1
    return [f"{value:>6}  {name}" for name, value in rows], good


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="flowmetal-demo-") as folder:
        demo = Demo(Path(folder))
        demo.say(
            "Fifty orders: reserve, charge, sleep, ship. The shop counts what it is asked to do.\n"
        )
        lines, good = verdict(demo.play(), len(demo.killed))
    demo.say("\nWhat the shop saw:\n" + "\n".join(lines))
    demo.say("\nEach order was charged exactly once." if good else "\nTHIS IS WRONG.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
