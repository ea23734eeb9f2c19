"""A small shop over HTTP that counts: reserve, charge, ship.

``POST /reserve``, ``/charge`` and ``/ship`` take an order as JSON. What a key of
``Idempotency-Key`` has done once is not done again: the first answer is given
again. ``GET /ledger`` says what was done to which order and how often.

Run it by itself with ``python server.py [PORT]``.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ACTIONS = {"reserve": "reservation", "charge": "receipt", "ship": "parcel"}


@dataclass
class Ledger:
    """What the shop has done. ``done`` counts real actions by (action, order id)."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    done: Counter[tuple[str, int]] = field(default_factory=Counter)
    requests: int = 0
    repeated: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)

    def act(self, action: str, key: str, order: dict[str, Any]) -> dict[str, Any]:
        """Do ``action`` for an order, unless ``key`` has done it already, and return the answer."""
        with self.guard:
            self.requests += 1
            if key in self.answers:
                self.repeated += 1
                return self.answers[key]
            self.done[action, order["id"]] += 1
            number = sum(self.done.values())
            answer = {"id": order["id"], ACTIONS[action]: f"{action[0].upper()}{number:04d}"}
            self.answers[key] = answer
            return answer

    def as_json(self) -> dict[str, Any]:
        with self.guard:
            orders: dict[int, dict[str, int]] = {}
            for (action, order), count in sorted(self.done.items()):
                orders.setdefault(order, {})[action] = count
            return {"orders": orders, "requests": self.requests, "repeated": self.repeated}


class Shop:
    """The server, in threads of this process.

    ``before_answer(action, order id, count)`` is called when an action is done
    and its answer not yet sent: the worst moment for a client to die.
    """

    def __init__(
        self, port: int = 0, before_answer: Callable[[str, int, int], None] | None = None
    ) -> None:
        self.ledger = Ledger()
        self.before_answer = before_answer
        self.server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def start(self) -> Shop:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        shop = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                action = self.path.strip("/")
                key = self.headers.get("Idempotency-Key")
                if action not in ACTIONS:
                    return self.answer(404, {"error": f"no such action: {action}"})
                if not key:
                    return self.answer(400, {"error": "an Idempotency-Key is needed"})
                order = json.loads(body)
                answer = shop.ledger.act(action, key, order)
                if shop.before_answer:
                    shop.before_answer(action, order["id"], shop.ledger.requests)
                return self.answer(200, answer)

            def do_GET(self) -> None:
                self.answer(200, shop.ledger.as_json())

            def answer(self, status: int, document: dict[str, Any]) -> None:
                data = json.dumps(document).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # the client has died: nobody hears the answer

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


if __name__ == "__main__":
    shop = Shop(int(sys.argv[1]) if len(sys.argv) > 1 else 8008)
    print(f"the shop is at {shop.url}; GET {shop.url}/ledger", flush=True)
    try:
        shop.server.serve_forever()
    except KeyboardInterrupt:
        print(json.dumps(shop.ledger.as_json(), indent=2))
