"""A file gets its new content whole or not at all.

The content goes into a new file, which is synced and then takes the name. Where the system can, the new
file has no name until it is whole, so that a writer that is killed leaves nothing behind. As no
call of the system puts a file without a name in the place of another, it then has one that begins
with ``ours`` for a moment. Elsewhere it has that one from the beginning, and whoever is killed leaves it.
"""

from __future__ import annotations

import contextlib
import os
import stat

_FLAGS = os.O_WRONLY | os.O_CLOEXEC


def replace(folder: int, name: str, ours: str, content: bytes, mode: int | None) -> None:
    """Give the file ``name`` of an open folder this content, and the mode of the one before, if any."""
    fresh = f"{ours}{os.urandom(4).hex()}"
    try:
        if not _make_unnamed(folder, fresh, content, mode):
            flags = _FLAGS | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(fresh, flags, 0o666, dir_fd=folder), "wb") as file:
                _fill(file.fileno(), content, mode)
        os.replace(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=folder)
        raise
    os.fsync(folder)


def remove_leftovers(folder: int, ours: str) -> None:
    """Remove what earlier attempts of an effect have left that were killed. One that is alive all the same
    finds its file gone, and takes nobody else's for its own."""
    for name in os.listdir(folder):
        if name.startswith(ours):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)


def _make_unnamed(folder: int, fresh: str, content: bytes, mode: int | None) -> bool:
    """Make the file without a name, and name it when it is whole; say whether that can be done here."""
    try:
        handle = os.open(".", _FLAGS | os.O_TMPFILE, 0o666, dir_fd=folder)
    except (AttributeError, OSError):  # another system, or a file system that has no such files
        return False
    with os.fdopen(handle, "wb") as file:
        _fill(file.fileno(), content, mode)
        try:
            os.link(f"/proc/self/fd/{handle}", fresh, dst_dir_fd=folder, follow_symlinks=True)
        except OSError:  # no /proc, or no links
            return False
    return True


def _fill(handle: int, content: bytes, mode: int | None) -> None:
    if mode is not None:
        os.fchmod(handle, stat.S_IMODE(mode))
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]
    os.fsync(handle)
