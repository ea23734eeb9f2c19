"""What a run ends in that the world has refused, word for word: FM07xx and FM1201."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.house.sessions import compare, shown_by
from tests.shell import Shell

PROGRAM = """(ns shop
  (:require [flow.async :refer :all]
            [flow.config :refer [config]]
            [flow.event :as event]
            [flow.fs :as fs]
            [flow.http :as http]
            [flow.lock :as lock] [flow.saga :refer [saga! compensate!]]
            [flow.sh :refer [sh!]]))

(defforeign draw {:queue "images"} [path])
(defforeign invoice [order])
(defn packing [] (event/receive! :packed))

(defn main []
  %s)
"""
PYTHON = """import flowmetal

@flowmetal.foreign("shop/invoice")
def invoice(order):
    raise ValueError("no paper in the printer")
"""
# fmt: off
ONE_RUN = {
    "FM0703": '(http/get! "shop.example/prices")',
    "FM0704": '(event/receive! :paid {:timeout #dur "1ms"})',
    "FM0707": '(http/get! "http://127.0.0.1:9/" {:auth [:bearer #secret "shop-key"]})',
    "FM0710": '(sh! "pdflatexx" "invoice.tex")',
    "FM0711": '(sh! "head" "-c" "100000000" "/dev/zero")',
    "FM0712": '(sh! "echo" "no json" {:as :json})',
    "FM0713": '(sh! "sh" "-c" "echo no paper >&2; exit 3")',
    "FM0714": '(http/get! "ADDRESS/none")',
    "FM0715": '(http/get! "ADDRESS/big" {:retry :none})',
    "FM0716": '(http/get! "ADDRESS/" {:as :json :retry :none})',
    "FM0717": '(http/get! "http://127.0.0.1:1/" {:retry :none})',
    "FM0720": '(fs/slurp! "")',
    "FM0721": '(fs/slurp! "prices.txt")',
    "FM0722": '(fs/slurp! "photo.jpg")',
    "FM0723": '(fs/slurp! "film.mp4")',
    "FM0725": '(config [:mail :host])',
    "FM0732": '(await! (start! "billing" [17]))',
    "FM0735": '(do (event/break-shared! "rates" "no rates today")\n      (event/await-shared! "rates"))',
    "FM0741": "(let [paid (promise!)]\n    (await! (spawn! (fn [] (await! paid)))))",
    "FM0742": '(let [packer (spawn! packing)]\n    (cancel! packer "sold out")\n    (await! packer))',
    "FM0744": '(any! (fs/slurp! "a.txt") (fs/slurp! "b.txt"))',
    "FM0745": '(pmap! fs/slurp! ["shop.flow" "b.txt"] {:tolerate 0})',
    "FM0746": '(poll-until! (fn [] :open) {:until #{:paid} :every #dur "1ms" :max-attempts 3})',
    "FM0747": "(let [orders (chan 1)]\n    (>! orders nil))",
    "FM0748": "(flow.core/-join! 99)",
}
"""What the program of one run does, which fails."""
# fmt: on

SESSIONS = {
    "FM0705": ("(invoice 17)", "fmvm run shop.flow --id order-17 --python printer -A"),
    "FM0724": (
        "(config [:mail :host])",
        "fmvm run shop.flow --id order-17 -A",
    ),
    "FM0730": (
        "(event/await-callback! (event/callback!))",
        """
        fmvm start shop.flow --id order-17
        fmvm interpreter --until-idle
        fmvm callback order-17.9 '"paid"'
        """,
    ),
    "FM0731": (
        "(event/await-callback! (event/callback!))",
        """
        fmvm start shop.flow --id order-17
        fmvm interpreter --until-idle
        fmvm cancel order-17 --now
        fmvm callback order-17.1 '"paid"'
        """,
    ),
    "FM0733": (
        '(await! (start! packing [] {:id "packing-17"}))',
        """
        fmvm start shop.flow --id order-17
        fmvm interpreter --until-idle
        fmvm cancel packing-17 --reason 'sold out'
        fmvm interpreter --until-idle
        fmvm resume order-17
        """,
    ),
    "FM0734": (
        "(event/await-callback! (event/callback!))",
        """
        fmvm start shop.flow --id order-17
        fmvm interpreter --until-idle
        fmvm callback order-17.1 --fail '{"message": "card declined"}'
        fmvm resume order-17
        """,
    ),
    "FM0541": (
        '(saga!\n    (compensate! fs/slurp! "order.txt")\n    (event/receive! :packed))',
        """
        fmvm start shop.flow --id order-17 -A
        fmvm interpreter --until-idle
        fmvm cancel order-17
        fmvm resume order-17
        """,
    ),
    "FM0738": (
        "(lock/with-lock! :stock\n    (event/receive! :packed))",
        """
        fmvm start shop.flow --id order-17
        fmvm interpreter --until-idle
        fmvm export order-17 --force -o order-17.fms
        fmvm import order-17.fms --store sqlite:there.db
        fmvm signal order-17 packed --store sqlite:there.db
        fmvm resume order-17 --store sqlite:there.db
        """,
    ),
    "FM0739": (
        "(let [paid (event/callback!)]\n    (event/receive! :packed)\n    (event/await-callback! paid))",
        """
        fmvm start shop.flow --id order-17
        fmvm interpreter --until-idle
        fmvm fork order-17 --id order-18
        fmvm signal order-18 packed
        fmvm resume order-18
        """,
    ),
    "FM1201": (
        '(http/get! "https://shop.example/prices")',
        "fmvm run shop.flow --id order-17",
    ),
}
"""What the program does, and what its user does to it."""


class Answers(BaseHTTPRequestHandler):
    """Answers with text, and without end at /big; there is nothing at /none."""

    def do_GET(self) -> None:
        self.send_response_only(404 if self.path == "/none" else 200)
        self.send_header("Content-Length", str(10**12 if self.path == "/big" else 4))
        self.end_headers()
        self.wfile.write(b"text")
        with contextlib.suppress(OSError):  # the client has had enough
            while self.path == "/big":
                self.wfile.write(bytes(1 << 20))

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def folder(shell: Shell) -> Shell:
    shell.monkeypatch.syspath_prepend(shell.folder)
    shell.write("printer.py", PYTHON)
    shell.write("photo.jpg", b"\xff\xd8\xff\xe0")
    with (shell.folder / "film.mp4").open("wb") as film:
        film.truncate(1 << 40)
    return shell


@pytest.mark.parametrize("code", ONE_RUN)
def test_what_the_world_refuses_is_worded_as_agreed(code: str, folder: Shell, address: str) -> None:
    folder.write("shop.flow", PROGRAM % ONE_RUN[code].replace("ADDRESS", address))
    compare(code, shown_by(folder, "fmvm run shop.flow --id order-17 -A"))


@pytest.mark.parametrize("code", SESSIONS)
def test_what_others_do_to_a_run_is_worded_as_agreed(code: str, folder: Shell) -> None:
    expression, session = SESSIONS[code]
    folder.write("shop.flow", PROGRAM % expression)
    if code == "FM0724":
        folder.write("flow.edn", "{:config [:mail]}\n")
    compare(code, shown_by(folder, session))
