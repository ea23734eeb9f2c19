"""A hint that wakes waiting processes at once: a datagram to everybody who listens.

Each thread that listens has a socket ``NAME.bell`` in the folder of locks: two at one socket would
take each other's datagrams. One may
get lost, and nobody is hurt: whoever waits looks at the database ten times a
second anyway. Sockets of dead processes refuse and are removed by the next
that rings.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

_SUFFIX = ".bell"


class Bell:
    """A place to ring at and to listen. Silent where the system has no such sockets."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._sender: socket.socket | None = None
        self._mine = threading.local()
        self._listeners: dict[threading.Thread, tuple[str, socket.socket]] = {}

    def ring(self) -> None:
        """Wake everybody who listens, this process too."""
        names = [name for name in os.listdir(self._folder) if name.endswith(_SUFFIX)]
        if names and self._sender is None:
            self._sender = _datagram_socket()
        for name in names:
            self._ring_at(name)

    def wait(self, timeout_s: float) -> None:
        """Return when somebody rings, at the latest after ``timeout_s``."""
        listener: socket.socket | None = getattr(self._mine, "listener", None)
        if listener is None:
            listener = self._mine.listener = self._listen()
        if listener is None:
            time.sleep(timeout_s)
            return
        poll = select.poll()  # select() stops at descriptor 1024
        poll.register(listener, select.POLLIN)
        poll.poll(timeout_s * 1000)
        with contextlib.suppress(OSError):
            while listener.recv(16):
                pass

    def close(self) -> None:
        for thread in list(self._listeners):
            self._forget(thread)
        if self._sender is not None:
            self._sender.close()
        os.close(self._folder)

    def _listen(self) -> socket.socket | None:
        for thread in list(self._listeners):
            if not thread.is_alive():
                self._forget(thread)
        name = os.urandom(8).hex() + _SUFFIX
        listener = _datagram_socket()
        try:
            listener.bind(self._address(name))
        except OSError:
            listener.close()
            return None
        self._listeners[threading.current_thread()] = name, listener
        return listener

    def _forget(self, thread: threading.Thread) -> None:
        found = self._listeners.pop(thread, None)
        if found is None:  # another thread was faster
            return
        name, listener = found
        listener.close()
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=self._folder)

    def _ring_at(self, name: str) -> None:
        assert self._sender is not None
        try:
            self._sender.sendto(b"!", self._address(name))
        except ConnectionRefusedError:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._folder)
        except OSError:
            pass  # full, gone or not ours: it is a hint

    def _address(self, name: str) -> str:
        """Return a path of the socket that is short: addresses end after 108 bytes."""
        return f"/proc/self/fd/{self._folder}/{name}"


def _datagram_socket() -> socket.socket:
    import socket  # costs a command 3 ms, and most need none

    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.setblocking(False)
    return made
