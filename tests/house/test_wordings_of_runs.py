"""What is said when a run is not there, or not in a state for what is asked of it: FM11xx and FM12xx."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import flowmetal
from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store.protocol import NewRun
from flowmetal.store.sqlite import SqliteStore
from tests.house.sessions import compare, said_of, shown_by
from tests.shell import Shell
from tests.sqlite import opened

ROOT = Path(__file__).parents[2]
SHOP = """(ns shop
  (:require [flow.event :as event]
            [flow.fs :as fs]
            [flow.lock :as lock]))

(event/defquery total [] 17)
(defn packing [order] order)
(defn stock [] (lock/with-lock! :stock (event/receive! :packed)))
(defn till [] (event/receive-request! :pay) :closed)
(defn prices [] (fs/slurp! "prices.txt"))
(defn wrong [] (+ 1 nil))
(defforeign pay [order])
(defn paying [] (perform :shop/pay {:args [17] :at-most-once true}))

(defn main []
  (event/receive! :paid))
"""
CATALOGUE = """(ns catalogue
  (:require [flow.event :as event]))

(defn main []
  (let [prices (vec (range 100000))]
    (event/receive! :bought)
    (first prices)))
"""
WAITING = "fmvm start shop.flow --id order-17\nfmvm interpreter --until-idle\n"
ENDED = "fmvm start shop.flow --id order-17\nfmvm cancel order-17 --now\n"

SESSIONS = {
    "FM1101": "fmvm start shop.flow --id order-17\nfmvm show order-71",
    "FM1102": f"{ENDED}fmvm signal order-17 paid",
    "FM1103": f"{WAITING}fmvm unpause order-17",
    "FM1104": f"""{WAITING}
        fmvm export order-17 -o order-17.fms
        fmvm import order-17.fms --store sqlite:there.db
        fmvm import order-17.fms --store sqlite:there.db
    """,
    "FM1120": "fmvm run shop.flow --entry mian",
    "FM1121": "fmvm run shop.flow --entry packing",
    "FM1130": f"{WAITING}fmvm eval order-17 '1' --at 99",
    "FM1132": """
        !fmvm run shop.flow --entry wrong --id order-17
        fmvm retry order-17
    """,
    "FM1133": """
        fmvm start shop.flow --id order-17
        fmvm query order-17 total
    """,
    "FM1134": f"{WAITING}fmvm fork order-17 --program other.flow",
    "FM1135": f"{WAITING}fmvm fork order-17 --result 9=true",
    "FM1136": f"{ENDED}fmvm fork order-17",
    "FM1137": """
        fmvm start shop.flow --entry till --id order-17
        fmvm signal order-17 pay --id payment-1
        fmvm resume order-17
        fmvm signal order-17 pay --id payment-1 --wait
    """,
    "FM1138": """
        fmvm run catalogue.flow --id order-17 --limit heap=1000000
    """,
    "FM1203": """
        fmvm start shop.flow --entry stock --id order-17
        fmvm interpreter --until-idle
        fmvm export order-17
    """,
}


@pytest.fixture
def folder(shell: Shell) -> Shell:
    shell.write("shop.flow", SHOP)
    shell.write("catalogue.flow", CATALOGUE)
    shell.write("other.flow", "(ns shop)\n(defn other [])\n")
    return shell


@pytest.mark.parametrize("code", SESSIONS)
def test_what_a_run_is_not_in_a_state_for_is_worded_as_agreed(code: str, folder: Shell) -> None:
    compare(code, shown_by(folder, SESSIONS[code]))


def test_a_file_that_grants_its_run_what_it_likes(folder: Shell) -> None:
    start = "fmvm start shop.flow --id order-17 --allow-http=pay.example --allow-sh=git,make"
    for line in (start, "fmvm export order-17 -o order-17.fms"):
        assert folder(*line.split()).status == 0
    keys = folder.folder / "keys"
    keys.write_text("0123456789abcdef")
    folder.monkeypatch.setenv("FLOWMETAL_KEYS", str(keys))
    compare("FM1204", shown_by(folder, "fmvm import order-17.fms --store sqlite:there.db"))


def test_a_run_without_a_result(folder: Shell) -> None:
    with flowmetal.Engine("memory:") as engine:
        run, _ = engine.start(flowmetal.compile(folder.folder / "shop.flow"), id="order-17")
        engine.cancel(run, "ordered twice")
        with pytest.raises(flowmetal.RunFailed) as caught:
            engine.result(run)
    compare("FM1110", said_of(caught.value, folder.folder))


# Stores that somebody has changed


def changed(folder: Shell, statement: str) -> None:
    with opened(folder.folder / "runs.db") as database:
        database.execute(statement)
    database.close()


def new_run(folder: Shell, program: str, input: bytes) -> None:
    store = SqliteStore(folder.folder / "runs.db")
    store.create_run(NewRun(RunId("order-17"), ProgramHash(program), input, b""))
    store.close()


def test_a_program_that_is_lost(folder: Shell) -> None:
    new_run(folder, "0" * 64, b"")
    compare("FM1105", shown_by(folder, "fmvm resume order-17"))


def test_an_input_that_is_damaged(folder: Shell) -> None:
    assert folder("fmvm", "start", "shop.flow").status == 0
    new_run(folder, flowmetal.compile(folder.folder / "shop.flow").hash, b"noise")
    compare("FM1106", shown_by(folder, "fmvm resume order-17"))


def test_grants_that_are_damaged(folder: Shell) -> None:
    assert folder("fmvm", "start", "shop.flow", "--id", "order-17").status == 0
    changed(folder, "UPDATE run SET grants = x'00112233'")
    compare("FM0331", shown_by(folder, "fmvm resume order-17"))


def test_a_history_that_is_cut(folder: Shell) -> None:
    before = f"{WAITING}fmvm signal order-17 paid\nfmvm interpreter --until-idle"
    for line in before.splitlines():
        assert folder(*line.split()).status == 0
    changed(folder, "DELETE FROM event WHERE kind = 'signal-received'")
    compare("FM1131", shown_by(folder, "fmvm eval order-17 '1' --at 4"))


# Other processes


def test_a_run_that_killed_its_interpreters(folder: Shell) -> None:
    assert folder("fmvm", "start", "shop.flow", "--id", "order-17").status == 0
    store = SqliteStore(folder.folder / "runs.db")
    for number in range(6):
        victim = InterpreterId(f"victim-{number}")
        store.claim(RunId("order-17"), victim, 10_000_000)
        store.abandon(victim)
    store.close()
    assert folder("fmvm", "interpreter", "--until-idle").status == 0
    compare("FM1108", shown_by(folder, "fmvm show order-17"))


def test_a_run_that_another_process_drives(folder: Shell) -> None:
    with flowmetal.Engine(f"sqlite:{folder.folder}/runs.db") as engine:
        program = flowmetal.compile(folder.folder / "shop.flow")
        engine.start(program, id="order-17")
        engine.store.claim(RunId("order-17"), InterpreterId("ann"), 10_000_000)
        compare("FM1107", shown_by(folder, "fmvm export order-17"))


def test_an_effect_that_may_have_happened(folder: Shell) -> None:
    folder.write(
        "bank.py",
        "import os\nimport flowmetal\n\n"
        '@flowmetal.foreign("shop/pay")\n'
        "def pay(order):\n    os._exit(9)\n",
    )
    words = ("run", "shop.flow", "--entry", "paying", "--id", "order-17", "--python", "bank.py")
    died = subprocess.run(
        [sys.executable, "-m", "flowmetal.cli", "fmvm", *words],
        cwd=folder.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert died.returncode == 9
    compare("FM1202", shown_by(folder, "fmvm export order-17 -o order-17.fms"))
    shown = shown_by(
        folder,
        """
        fmvm export order-17 --in-doubt -o order-17.fms
        fmvm import order-17.fms --store sqlite:there.db
        fmvm resume order-17 --store sqlite:there.db
        """,
    )
    compare("FM0706", shown)
