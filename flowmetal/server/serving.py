"""The process of a server: a socket, uvicorn in this thread, an interpreter in another.

SIGTERM and SIGINT end it in good order: nothing new is accepted, the interpreter gives its
runs back at once so that others take them, and requests in flight are answered. Who follows
events or waits is let go.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from uvicorn import Config, Server

from flowmetal.embed.engine import Engine
from flowmetal.errors import UsageError
from flowmetal.runtime.interpreting import Interpreter
from flowmetal.runtime.signals import TOLD_TO_STOP, next_one_ends_the_process
from flowmetal.server import callbacks
from flowmetal.server.application import application
from flowmetal.server.desk import Desk
from flowmetal.server.patience import REFUSED, PatientProtocol
from flowmetal.server.settings import Settings, host_of

GRACE_S: Final = 10
"""How long requests in flight have after a signal."""

_CONNECTIONS: Final = 4096
"""At most; and half of the files that the process may open, so that its store and its runs have the others."""
_AT_ONCE: Final = 64
"""Connections that are accepted before any of them is counted."""

_WAITING: Final = 1024
"""Connections that the system holds until they are accepted."""

_HEADER_BYTES: Final = 32 * 1024


class Service:
    """A server that can be run here, or in a thread by a program that embeds it.

    The socket is open when it is made, so ``address`` is known. ``stop`` may be called from anywhere.
    """

    def __init__(self, engine: Engine, settings: Settings, concurrency: int = 100) -> None:
        self._engine = engine
        self._concurrency = concurrency
        self._socket = _listen(settings.host, settings.port)
        self.address = _address(self._socket)
        # It is called what it calls itself: callbacks are sent there.
        self._settings = replace(settings, hosts=settings.hosts | {host_of(self.address)})
        base = settings.public_url or (self.address if "callbacks" in settings.parts else None)
        engine.callback_url = None if base is None else f"{base}{callbacks.PATH}"
        engine.performs = "connectors" in settings.parts
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: _Server | None = None
        self._desk: Desk | None = None
        self._driver: _Driver | None = None
        self._stopped = False
        self._on_signal: Callable[[], None] = lambda: None

    def run(
        self,
        on_ready: Callable[[], None] = lambda: None,
        on_signal: Callable[[], None] = lambda: None,
    ) -> None:
        """Serve until a signal or ``stop``. Raises what the interpreter died of. ``on_signal`` is called at the first."""
        self._on_signal = on_signal
        asyncio.run(self._run(on_ready))

    def stop(self) -> None:
        """Stop in good order."""
        self._stopped = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._stop)

    def _stop_by(self, number: int) -> None:
        """Stop in good order; the next signal ends the process."""
        assert self._loop is not None
        for each in TOLD_TO_STOP:
            self._loop.remove_signal_handler(each)
        next_one_ends_the_process()
        self._on_signal()
        self._stop()

    def _stop(self) -> None:
        if self._driver is not None:
            self._driver.stop()
        if self._desk is not None:
            self._desk.stop()
        if self._server is not None:
            self._server.should_exit = True

    async def _run(self, on_ready: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        for number in TOLD_TO_STOP:
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                self._loop.add_signal_handler(number, self._stop_by, number)
        self._desk = Desk(self._engine)
        parts = self._settings.parts
        if parts & {"interpreter", "connectors"}:
            interpreter = Interpreter(
                self._engine.host,
                self._concurrency,
                drives="interpreter" in parts,
                performs="connectors" in parts,
            )
            self._driver = _Driver(interpreter, self.stop)
        self._server = _Server(self._config(self._desk), on_ready)
        if self._stopped:
            self._stop()
        try:
            await self._server.serve([self._socket])
        finally:
            self._stop()
            self._socket.close()
            if self._driver is not None:
                await asyncio.to_thread(self._driver.join)
            await asyncio.to_thread(self._desk.close)
        if self._driver is not None and self._driver.crash is not None:
            raise self._driver.crash

    def _config(self, desk: Desk) -> Config:
        driver = self._driver
        return Config(
            application(desk, self._settings, lambda: driver is None or driver.is_alive()),
            http=PatientProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",  # what breaks is told by answers.on_crash
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=GRACE_S,
            backlog=_AT_ONCE,
            limit_concurrency=_connections(),
            h11_max_incomplete_event_size=_HEADER_BYTES,
        )


class _Server(Server):
    """uvicorn's, which leaves signals to ``Service`` and says when it listens."""

    def __init__(self, config: Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for opened in sockets or ():
            opened.listen(_WAITING)
        self._on_ready()


class _Driver:
    """The interpreter in a thread with a loop of its own, so that computing holds up no answer."""

    def __init__(self, interpreter: Interpreter, on_end: Callable[[], None]) -> None:
        self.crash: BaseException | None = None
        self._interpreter = interpreter
        self._on_end = on_end
        self._thread = threading.Thread(target=self._run, name="flowmetal-interpreter")
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        with contextlib.suppress(RuntimeError):  # its loop is closed
            self._interpreter.stop_soon()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._interpreter.run())
        except BaseException as crash:  # told to whoever runs the server
            self.crash = crash
        finally:
            self._on_end()


def _connections() -> int:
    """Return how many connections there may be."""
    try:
        import resource
    except ImportError:  # not on this system
        return _CONNECTIONS
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return _CONNECTIONS
    return max(1, min(_CONNECTIONS, most // 2 - REFUSED - _AT_ONCE))


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        opened = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        raise _no_address(host, port, problem) from None
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(_WAITING)
    except OSError as problem:
        opened.close()
        raise _no_address(host, port, problem) from None
    return opened


def _no_address(host: str, port: int, problem: Exception) -> UsageError:
    reason = getattr(problem, "strerror", None) or str(problem)
    return UsageError(
        "FM1341",
        f"the server cannot listen on {host}:{port}: {reason.lower()}",
        hint="choose another --port; 0 takes a free one",
    )


def _address(opened: socket.socket) -> str:
    """Return the address by which this machine reaches a socket."""
    host, port = opened.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
