"""A server for tests: real sockets on a free port of the loopback, in a thread of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2 as httpx

import flowmetal
from flowmetal.server.serving import Service
from flowmetal.server.settings import checked

WAITS = """(ns waits (:require [flow.event :as event]))
(defn main [& options]
  (let [callback (event/callback! (or (first options) {}))]
    (event/set-status! callback)
    (event/await-callback! callback)))
"""


class Served:
    """A server, its engine and a client."""

    def __init__(self, engine: flowmetal.Engine, service: Service, client: httpx.Client) -> None:
        self.engine = engine
        self.service = service
        self.client = client
        self.url = service.address

    def start(self, source: str, *arguments: Any, **words: Any) -> str:
        return self.engine.start(flowmetal.compile(source), list(arguments), **words)[0]

    def until(self, run: str, good: Callable[[Any], bool], seconds: float = 10.0) -> Any:
        """Return the view of a run as soon as it is as it has to be."""
        deadline = time.monotonic() + seconds
        while True:
            view = self.engine.view(run)
            if good(view):
                return view
            assert time.monotonic() < deadline, view
            self.engine.store.wait_for_change(0.1)

    def ended(self, run: str) -> Any:
        return self.until(run, lambda view: view.ended_us is not None)

    def callback(self, run: str) -> dict[str, Any]:
        """Return the callback that a run of WAITS has made, when it waits for it."""
        view = self.until(run, lambda view: view.state == "waiting" and view.status is not None)
        return {key.text: value for key, value in view.status.items()}


@contextmanager
def serving(store: str = "memory:", **words: Any) -> Iterator[Served]:
    """Serve on a free port while the block runs."""
    with flowmetal.Engine(store) as engine:
        service = Service(engine, checked(port=0, **words))
        ready = threading.Event()
        thread = threading.Thread(target=service.run, args=(ready.set,))
        thread.start()
        try:
            assert ready.wait(10)
            with httpx.Client(base_url=service.address, timeout=10) as client:
                yield Served(engine, service, client)
        finally:
            service.stop()
            thread.join(20)
            assert not thread.is_alive()
