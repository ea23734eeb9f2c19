"""Files. Every path is judged by where it really leads (paths.py); writes are whole or not at all.

A write goes into a new file, is synced, and takes the target's name (replacing.py); so a repeated write
(effects are performed at least once) leaves what a single one leaves, and takes away what an
attempt that was killed has left. ``:append`` cannot be that: a crash in the middle may append twice, and
``:at-most-once`` is there for whom that matters.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from flowmetal.connectors.arguments import choice, flag, refuse, text
from flowmetal.connectors.blocking import Blocking
from flowmetal.connectors.globbing import matching
from flowmetal.connectors.paths import Place, check_move, failure, locate, open_folder
from flowmetal.connectors.replacing import remove_leftovers, replace
from flowmetal.effects.errors import effect_error
from flowmetal.effects.requests import Call, EffectFailed
from flowmetal.values import Value, keyword, vector

LONGEST_READ: Final = 64 * 1024 * 1024
"""Bytes of a file that a program may take in: they are kept in the run's history."""

_CONTENT = keyword("content")


class FilesConnector:
    """Reads and writes files, in threads: a slow disk holds up nothing else."""

    def __init__(self) -> None:
        self._blocking = Blocking()

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(_PERFORM)

    async def perform(self, call: Call) -> Value:
        try:
            return await self._blocking.call(perform_file_effect, call)
        except OSError as problem:  # it could not begin
            raise _failed(call, problem) from None

    async def close(self) -> None:
        """Nothing is kept open; what is being written is written, if that takes no long time."""
        self._blocking.close()


def perform_file_effect(call: Call) -> Value:
    """Perform an effect on files. Raises EffectFailed."""
    try:
        return _PERFORM[call.kind](call)
    except OSError as problem:
        raise _failed(call, problem) from None


def _failed(call: Call, problem: OSError) -> EffectFailed:
    path = call.args.get(keyword("path")) or call.args.get(keyword("from")) or ""
    return failure(problem, str(path))


def _read(call: Call) -> Value:
    form = choice(call, "as", ("text", "bytes"), "text")
    data = _content(locate(call, "read", text(call, "path")))
    if form == "bytes":
        return data
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as problem:
        message = f"{text(call, 'path')} is not UTF-8 text (byte {problem.start}); read it with :as :bytes"
        raise EffectFailed(effect_error("FM0722", "fs/not-text", message)) from None


def _content(place: Place) -> bytes:
    with place.folder() as (folder, name):
        # Without O_NONBLOCK the opening of a named pipe would wait for its writer.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        with os.fdopen(os.open(name, flags, dir_fd=folder), "rb") as file:
            _check_file(place, os.fstat(file.fileno()).st_mode)
            data = file.read(LONGEST_READ + 1)
    if len(data) > LONGEST_READ:
        message = f"{place.given} has more than {LONGEST_READ >> 20} MiB"
        raise EffectFailed(effect_error("FM0723", "fs/too-big", message, {"path": place.given}))
    return data


def _check_file(place: Place, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    what = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
    type_text = "fs/is-a-folder" if stat.S_ISDIR(mode) else "fs/not-a-file"
    message = f"{place.given} is {what}"
    raise EffectFailed(effect_error("FM0721", type_text, message, {"path": place.given}))


def _mode_before(place: Place, folder: int, name: str) -> int | None:
    """Return the mode of the file that is to be written, None if there is none yet.

    A device or a pipe is refused: it would be lost to a new file, or hold up its writer for ever.
    """
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None
    _check_file(place, mode)
    return mode


def _write(call: Call) -> Value:
    content = call.args.get(_CONTENT)
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogatepass")
    if not isinstance(content, bytes):
        raise refuse(call, ":content takes a string or bytes")
    place = locate(call, "write", text(call, "path"))
    if flag(call, "append", False):
        _append(place, content)
    else:
        _replace(call, place, content)


def _append(place: Place, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    with place.folder() as (folder, name):
        _mode_before(place, folder, name)
        with os.fdopen(os.open(name, flags, 0o666, dir_fd=folder), "ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.fsync(folder)


def _replace(call: Call, place: Place, content: bytes) -> None:
    # The name of the file may be as long as names are, so this one does not hold it.
    ours = f".flowmetal.{hashlib.sha256(call.idempotency_key.encode()).hexdigest()[:16]}."
    with place.folder() as (folder, name):
        mode = _mode_before(place, folder, name)
        if call.again:
            remove_leftovers(folder, ours)
        replace(folder, name, ours, content, mode)


def _exists(call: Call) -> Value:
    return os.path.exists(locate(call, "read", text(call, "path")).real)


def _list(call: Call) -> Value:
    place = locate(call, "read", text(call, "path"))
    with open_folder(place.root, place.real) as folder:
        return vector(sorted(os.listdir(folder)))


def _glob(call: Call) -> Value:
    """Paths as the program would write them; none leads out of what is granted."""
    given = text(call, "path", ".")
    place = locate(call, "read", given)
    pattern = text(call, "pattern")
    if os.path.isabs(pattern) or ".." in pattern.split("/"):
        raise refuse(call, ":pattern stays below :path: it has no .. and does not begin with /")
    found = []
    for name in matching(place.real, pattern):
        real = os.path.realpath(os.path.join(place.real, name))
        if call.grants.root_of(f"read:{real}") is not None:
            found.append(os.path.normpath(os.path.join(given, name)))
    return vector(sorted(found))


def _mkdir(call: Call) -> Value:
    with locate(call, "write", text(call, "path")).folder(make=True) as (folder, name):
        try:
            os.mkdir(name, dir_fd=folder)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                raise


def _copy(call: Call) -> Value:
    source = locate(call, "read", text(call, "from"))
    target = locate(call, "write", text(call, "to"))
    _replace(call, target, _content(source))


def _move(call: Call) -> Value:
    source = locate(call, "write", text(call, "from"), follow=False)
    target = locate(call, "write", text(call, "to"), follow=False)
    check_move(call, source, target)
    with source.folder() as (old, name), target.folder() as (new, new_name):
        try:
            os.replace(name, new_name, src_dir_fd=old, dst_dir_fd=new)
        except FileNotFoundError:
            if call.again and os.path.lexists(target.real):
                return  # an earlier attempt has moved it
            raise
        os.fsync(new)
        os.fsync(old)


def _delete(call: Call) -> Value:
    """Deleting what is not there is no error: effects are performed at least once."""
    place = locate(call, "write", text(call, "path"), follow=False)
    if place.real == place.root and place.root == "/":
        raise refuse(call, "the root folder cannot be deleted")
    with ExitStack() as opened:
        try:
            folder, name = opened.enter_context(place.folder())
            mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISDIR(mode):
            os.unlink(name, dir_fd=folder)
        elif flag(call, "recursive", False):
            shutil.rmtree(name, dir_fd=folder)
        else:
            os.rmdir(name, dir_fd=folder)
        os.fsync(folder)


def _temp_dir(call: Call) -> Value:
    """The same effect gets the same folder, however often it is performed."""
    prefix = text(call, "prefix", "flowmetal-")
    if "/" in prefix:
        raise refuse(call, ":prefix is the beginning of a name, not a path")
    name = prefix + hashlib.sha256(call.idempotency_key.encode()).hexdigest()[:16]
    place = locate(call, "write", os.path.join(tempfile.gettempdir(), name))
    with place.folder() as (folder, inner):
        try:
            os.mkdir(inner, 0o700, dir_fd=folder)
        except FileExistsError:
            found = os.stat(inner, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                raise
    return place.real


_PERFORM: Final[dict[str, Callable[[Call], Value]]] = {
    "fs/read": _read,
    "fs/write": _write,
    "fs/exists": _exists,
    "fs/list": _list,
    "fs/glob": _glob,
    "fs/mkdir": _mkdir,
    "fs/copy": _copy,
    "fs/move": _move,
    "fs/delete": _delete,
    "fs/temp-dir": _temp_dir,
}
