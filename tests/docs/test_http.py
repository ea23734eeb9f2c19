"""Every exchange that docs/http.md shows, in order, with a server."""

from __future__ import annotations

import json
from typing import Any

import flowmetal
from tests.docs.test_documentation import blocks
from tests.server.serving import serving


def test_the_exchanges_of_the_page_are_what_one_sees() -> None:
    wrong = []
    with serving() as served:
        served.engine.deploy(flowmetal.compile(blocks("docs/http.md", "clojure")[0]), "shop")
        for block in blocks("docs/http.md", "http"):
            asked, _, answered = block.partition("\n\n")
            line, _, body = asked.partition("\n")
            method, path = line.split(" ")
            status, _, document = answered.strip().partition(" ")
            words = {"json": json.loads(body)} if body else {}
            found = served.client.request(method, path, **words)
            if path.startswith("/v1/runs/order-17/") or method == "POST":
                _settle(served)
            got = found.json() if found.content else None
            wanted = json.loads(document) if document else None
            if found.status_code != int(status) or not _fits(wanted, got):
                wrong.append(f"{asked}\n\n{found.status_code} {json.dumps(got)}")
    assert not wrong, "\n\n".join(wrong)


def _settle(served: Any) -> None:
    """Let the run take what it was sent before the next question."""
    if served.engine.store.run("order-17") is not None:
        served.until("order-17", lambda view: view.state in ("waiting", "paused", "cancelled"))


def _fits(wanted: Any, got: Any) -> bool:
    if wanted == "...":
        return True
    if isinstance(wanted, dict) and isinstance(got, dict):
        return wanted.keys() == got.keys() and all(_fits(wanted[k], got[k]) for k in wanted)
    if isinstance(wanted, list) and isinstance(got, list):
        return len(wanted) == len(got) and all(map(_fits, wanted, got))
    return bool(wanted == got)
