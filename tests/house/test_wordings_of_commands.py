"""What a mistake on the command line looks like: FM13xx, and the files of a project that are not in order."""

from __future__ import annotations

import os

import pytest

from tests.house.sessions import compare, same_every_time, shown_by
from tests.shell import Shell

FILES = {
    "orders.flow": "(ns orders)\n\n(defn main [& words] (vec words))\n",
    "shop.flow": "(ns shop\n  (:require [flow.event :refer [receive!]]))\n\n"
    "(defn main []\n  (receive! :paid))\n",
    "src/main.flow": "(ns main)\n(defn main [])\n",
    "latin.flow": b'(ns latin)\n\n(defn main [] "caf\xe9")\n',
    "label_printer.py": "import pillow_of_nobody\n",
    "short.keys": "short\n",
    "broken.edn/flow.edn": '{:paths "src"}\n',
    "broken.edn/main.flow": "(ns main)\n(defn main [])\n",
    "lost/flow.edn": '{:deps {acme/units {:local/root "../units"}}}\n',
    "lost/main.flow": "(ns main)\n(defn main [])\n",
    "circle/flow.edn": '{:deps {acme/circle {:local/root "."}}}\n',
    "circle/main.flow": "(ns main)\n(defn main [])\n",
}
"""What lies in the folder of every session."""

SESSIONS = {
    "FM1300": "fmvm run orders.flow -5",
    "FM1301": "fmvm run order.flow",
    "FM1302": "fmvm run src",
    "FM1304": "fmvm run latin.flow",
    "FM1305": "fmvm run orders.flow --input '{id: 7}'",
    "FM1307": "fmvm run orders.flow 7 --input 8",
    "FM1308": """
        fmvm start shop.flow --id order-17
        fmvm wait order-17 --timeout 5
    """,
    "FM1309": "fmvm run orders.flow --tag urgent",
    "FM1310": "fmvm run orders.flow --allow-fs=./data",
    "FM1311": "fmvm run orders.flow --id 'order 17'",
    "FM1312": "fmc compile orders.flow -o nowhere/orders.fmb",
    "FM1313": "fmvm run orders.flow --python label_printer",
    "FM1314": "fmc disasm orders.flow orders/mian",
    "FM1315": "fmc explain FM0999",
    "FM1316": """
        fmvm start shop.flow --id order-17
        fmvm start shop.flow --id order-18
        fmvm show order-1
    """,
    "FM1317": "fmvm run broken.edn/main.flow",
    "FM1318": "fmc new .",
    "FM1319": "fmc doc str/jion",
    "FM1320": """
        fmvm start shop.flow --id order-17
        fmvm signal order-17 'paid in full'
    """,
    "FM1321": "fmvm run circle/main.flow",
    "FM1322": "fmvm run lost/main.flow",
    "FM1325": "fmvm run orders.flow --limit depth=5",
    "FM1330": """
        fmvm start shop.flow --id order-17
        fmvm interpreter --until-idle
        fmvm eval order-17 'total' --frame 99
    """,
    "FM1332": """
        fmvm start shop.flow --id order-17
        fmvm interpreter --until-idle
        fmvm query order-17 total
    """,
    "FM1336": """
        fmvm start shop.flow --id order-17
        fmvm interpreter --until-idle
        fmvm fork order-17 --result paid
    """,
}


@pytest.fixture
def folder(shell: Shell) -> Shell:
    shell.monkeypatch.syspath_prepend(shell.folder)
    for name, text in FILES.items():
        shell.write(name, text)
    return shell


@pytest.mark.parametrize("code", SESSIONS)
def test_a_mistake_on_the_command_line_is_worded_as_agreed(code: str, folder: Shell) -> None:
    compare(code, shown_by(folder, SESSIONS[code]))


def test_a_file_that_is_no_ordinary_file_is_worded_as_agreed(folder: Shell) -> None:
    os.symlink("loop.flow", folder.folder / "loop.flow")
    compare("FM1303", shown_by(folder, "fmvm run loop.flow"))


def test_keys_that_are_too_short_are_worded_as_agreed(folder: Shell) -> None:
    folder.monkeypatch.setenv("FLOWMETAL_KEYS", str(folder.folder / "short.keys"))
    compare("FM1331", shown_by(folder, "fmvm start shop.flow --id order-17"))


def test_an_effect_that_nobody_performs_at_a_repl(shell: Shell) -> None:
    shown = shell("fmvm", "repl", stdin=b'(defforeign resize [url])\n(resize "a.png")\n')
    assert shown.status == 1
    compare("FM0749", same_every_time(shown.err, shell.folder))
