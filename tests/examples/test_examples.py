"""Every example runs on real input: HTTP, commands, files, signals."""

from __future__ import annotations

import http.server
import importlib.util
import json
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def test_every_order_is_charged_exactly_once_through_kills_and_a_move(tmp_path: Path) -> None:
    demo = load(EXAMPLES / "orders" / "demo.py")
    played = demo.Demo(tmp_path, quiet=True)
    seen = played.play()
    lines, good = demo.verdict(seen, len(played.killed))
    assert good, "\n".join(lines)
    assert played.killed == list(demo.KILLS)
    assert all(done == {"reserve": 1, "charge": 1, "ship": 1} for done in seen["orders"].values())
    assert seen["repeated"] >= 1
    assert seen["report"][0].split("\t") == ["order", "customer", "amount", "receipt", "parcel"]
    assert all(len(line.split("\t")) == 5 and "" not in line.split("\t") for line in seen["report"])


def test_the_shop_honours_idempotency_keys() -> None:
    server = load(EXAMPLES / "orders" / "server.py")
    ledger = server.Ledger()
    first = ledger.act("charge", "k1", {"id": 1})
    assert ledger.act("charge", "k1", {"id": 1}) == first
    assert ledger.act("charge", "k2", {"id": 1}) != first
    assert ledger.as_json() == {"orders": {1: {"charge": 2}}, "requests": 3, "repeated": 1}


def git(repo: Path, *words: str) -> None:
    name = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(repo), *name, *words], check=True, capture_output=True)


def test_commits_of_a_repository_are_noted(shell) -> None:
    repo = shell.folder / "repo"
    repo.mkdir()
    git(repo, "init", "-q")
    for number in (1, 2, 3):
        (repo / "notes.txt").write_text("line\n" * number)
        git(repo, "add", ".")
        git(repo, "commit", "-qm", f"note {number}")
    report = shell.folder / "report.txt"
    shown = shell(
        "fmvm", "run", EXAMPLES / "watch-repo" / "watch.flow", repo, "3", report,
        "--allow-sh=git", f"--allow-fs=write:{report}",
    )  # fmt: skip
    assert (shown.status, shown.out) == (0, "3\n"), shown.err
    lines = report.read_text().splitlines()
    assert [line.split(" ", 1)[1].split(" (")[0] for line in lines] == [
        "note 1",
        "note 2",
        "note 3",
    ]
    assert all("1 file changed" in line for line in lines)


def approval(shell, name: str, *answer: str) -> object:
    file = EXAMPLES / "approval" / "approval.flow"
    shell("fmvm", "start", file, "a new anvil", "450", "--id", name)
    if answer:
        shell("fmvm", "signal", name, "decision", *answer)
    shown = shell("fmvm", "resume", name, "--json")
    assert shown.status == 0, shown.err
    return json.loads(shown.out)


def test_an_approval_waits_for_a_signal(shell) -> None:
    assert approval(shell, "yes", '{"approved": true, "by": "Ada"}') == {
        "what": "a new anvil", "amount": 450, "decision": "approved", "by": "Ada",
    }  # fmt: skip
    assert approval(shell, "no", '{"approved": false, "by": "Alan"}')["decision"] == "refused"


class Shops(http.server.BaseHTTPRequestHandler):
    """/cheap and /dear answer, /closed refuses, /asleep never answers."""

    awake = threading.Event()

    def do_GET(self) -> None:
        shop = self.path.partition("?")[0]
        if shop == "/asleep":
            self.awake.wait(30)
            return
        body = json.dumps({"price": {"/cheap": 3, "/dear": 7}.get(shop)}).encode()
        self.send_response(404 if shop == "/closed" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


def test_prices_are_asked_at_once_and_slow_shops_given_up(shell) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shops) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://localhost:{server.server_port}"
        source = (EXAMPLES / "prices" / "prices.flow").read_text("utf-8")
        file = shell.write("prices.flow", source.replace("(seconds 2)", "(seconds 4)"))
        shops = [f"{base}/{name}" for name in ("dear", "asleep", "closed", "cheap")]
        shown = shell("fmvm", "run", file, "anvil", *shops, "--allow-http=localhost")
        Shops.awake.set()
        server.shutdown()
    assert shown.status == 0, shown.err
    lines = shown.out.splitlines()
    assert lines[0].split()[:2] == ["3", shops[3]]
    assert lines[1].split()[:2] == ["7", shops[0]]
    assert any("too slow" in line and shops[1] in line for line in lines[2:4])
    assert any("404" in line and shops[2] in line for line in lines[2:4])
    assert ":price 3" in lines[4]
