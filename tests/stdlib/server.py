"""A small shop over HTTP, for examples that talk to one: nothing it is told is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

_TEA = {"id": 7, "name": "tea", "price": 3}
_PAGES = {1: {"items": ["tea", "cake"], "next": 2}, 2: {"items": ["milk"], "next": None}}


class _Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/items/7":
            self._answer(200, _TEA)
        elif url.path == "/items":
            self._answer(200, _PAGES[int(parse_qs(url.query).get("page", ["1"])[0])])
        else:
            self._answer(404, {"error": "there is no such thing"})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self._answer(201, {"id": 8, **self._sent()})

    def do_PUT(self) -> None:
        self._answer(200, {"id": 7, **self._sent()})

    def do_PATCH(self) -> None:
        self._answer(200, {**_TEA, **self._sent()})

    def do_DELETE(self) -> None:
        self._answer(204, None)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _sent(self) -> dict[str, object]:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        sent = json.loads(content)
        assert isinstance(sent, dict)
        return sent

    def _answer(self, status: int, content: object) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def serving() -> Iterator[str]:
    """Yield the address of the shop while it is open."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Shop)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
