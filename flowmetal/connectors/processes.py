"""A command under way: a process in a group of its own, talked to, waited for and ended as a whole.

The end of a command is not the end of its pipes: what it has left in the background may hold them
for as long as it lives. So the two are waited for apart, here; ``Process.wait`` of asyncio waits
for both in some versions of Python.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Mapping, Sequence
from typing import Final

_GRACE_S: Final = 2.0
"""Between SIGTERM and SIGKILL."""

_LOOK_S: Final = 0.02
"""Between two looks whether somebody is left in a group of processes: of its end nobody is told."""

_LINGER_S: Final = 1.0
"""How long output is waited for after the command itself has ended: of what it has left in the background."""

_BUFFER: Final = 65536


class TooMuch(Exception):
    """A command wrote more than it may."""


class _Protocol(asyncio.subprocess.SubprocessStreamProtocol):
    """Hears of the end of the process, whatever becomes of its pipes."""

    def __init__(self) -> None:
        super().__init__(_BUFFER, asyncio.get_running_loop())
        self.exited = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set()


class Process:
    """A command that has begun."""

    def __init__(self, transport: asyncio.SubprocessTransport, protocol: _Protocol) -> None:
        self._transport = transport
        self._exited = protocol.exited
        self._streams = asyncio.subprocess.Process(transport, protocol, asyncio.get_running_loop())

    @property
    def group(self) -> int:
        """The number of its group of processes."""
        return self._streams.pid

    @property
    def exit(self) -> int:
        """What it ended with; below zero: the signal."""
        code = self._transport.get_returncode()
        assert code is not None, "it is asked for when the command has ended"
        return code

    async def communicate(self, given: bytes | None, most: int) -> tuple[bytes, bytes]:
        """Give it its input and return what it wrote, when it has ended and its output too.

        What holds its output after it has ended is waited for a moment only. Raises TooMuch if one of
        the two is more than ``most`` bytes.
        """
        process = self._streams
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        out, err = bytearray(), bytearray()
        talk = asyncio.gather(
            _read(process.stdout, out, most),
            _read(process.stderr, err, most),
            _write(process.stdin, given),
        )
        lingering = asyncio.ensure_future(self._linger())
        try:
            await asyncio.wait((talk, lingering), return_when=asyncio.FIRST_COMPLETED)
            if talk.done():
                talk.result()
                await self._exited.wait()
        finally:
            talk.cancel()
            lingering.cancel()
            await asyncio.gather(talk, lingering, return_exceptions=True)
        self._transport.close()  # nothing is read any more, whoever holds the other ends
        return bytes(out), bytes(err)

    async def _linger(self) -> None:
        await self._exited.wait()
        await asyncio.sleep(_LINGER_S)

    async def end(self) -> None:
        """End it and whatever it started, politely first. What has become another user's, by sudo say, is left."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.group, signal.SIGTERM)
            await _for_some_time(self._all_gone())
            os.killpg(self.group, signal.SIGKILL)
        # The loop may end with us, and nobody would hear of its end.
        await _for_some_time(self._exited.wait())
        with contextlib.suppress(PermissionError):
            self._transport.close()

    async def _all_gone(self) -> None:
        """Wait until it has ended, and all that it started, who may take their time for it when it has gone already.

        Raises ProcessLookupError then.
        """
        await self._exited.wait()
        while True:
            os.killpg(self.group, 0)
            await asyncio.sleep(_LOOK_S)


async def _for_some_time(end: Awaitable[object]) -> None:
    """Wait for an end, not too long, whoever is impatient."""
    with contextlib.suppress(TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(_GRACE_S):
            await end


async def begin(argv: Sequence[str], folder: str | None, variables: Mapping[str, str]) -> Process:
    """Begin a command. Raises OSError if it cannot be begun, ValueError for what no command can be.

    Cancelled, it is ended as a whole, and not begun. asyncio would end the first of its processes, and wait
    for those that have its pipes.
    """
    beginning = asyncio.ensure_future(_begin(argv, folder, variables))
    try:
        return await asyncio.shield(beginning)
    except asyncio.CancelledError:
        while not beginning.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([beginning])
        if beginning.exception() is None:
            await beginning.result().end()
        raise


async def _begin(argv: Sequence[str], folder: str | None, variables: Mapping[str, str]) -> Process:
    transport, protocol = await asyncio.get_running_loop().subprocess_exec(
        _Protocol,
        *argv,
        cwd=folder,
        env=variables,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    return Process(transport, protocol)


async def _read(stream: asyncio.StreamReader, into: bytearray, most: int) -> None:
    while part := await stream.read(_BUFFER):
        into += part
        if len(into) > most:
            raise TooMuch


async def _write(stream: asyncio.StreamWriter, given: bytes | None) -> None:
    try:
        if given:
            stream.write(given)
            await stream.drain()
        stream.close()
        await stream.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the command does not read its input, which is its right
