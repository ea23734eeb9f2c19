"""A link to a server that can be cut: a proxy on a port of its own."""

from __future__ import annotations

import contextlib
import socket
import threading


class Link:
    """Passes bytes between us and a server on this machine until it is cut."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._is_cut = threading.Event()
        self._sockets: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def cut(self) -> None:
        """Let no more bytes through, and tell nobody."""
        self._is_cut.set()

    def mend(self) -> None:
        """Break what was cut, as its ends would in time, and let new connections through."""
        cut, self._sockets = self._sockets, []
        self._break(cut)
        self._is_cut.clear()

    def close(self) -> None:
        self._break([self._listener])
        self._accepting.join()
        self._break(self._sockets)

    @staticmethod
    def _break(sockets: list[socket.socket]) -> None:
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads it
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:  # the server is away
                near.close()
                continue
            self._sockets += [near, far]
            # Each connection keeps the cut that it met: after a mend its bytes would have a hole.
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, from_: socket.socket, to: socket.socket) -> None:
        try:
            while data := from_.recv(65536):
                if self._is_cut.is_set():
                    return self._swallow(from_)
                to.sendall(data)
            if not self._is_cut.is_set():
                to.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return None

    def _swallow(self, from_: socket.socket) -> None:
        while from_.recv(65536):
            pass
