"""Where a path really leads, and a way there on which nobody can put a symbolic link.

The path is resolved first and the *real* path is what has to be granted. Then the
file is reached from the granted root through descriptors of the folders, none of which may be
a symbolic link: if somebody puts one there in between, the effect fails
and nothing outside of the root was touched.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from flowmetal.effects.errors import effect_error, refused
from flowmetal.effects.requests import Call, EffectFailed

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Place:
    """A granted path: ``real`` below (or equal to) ``root``; ``given`` is what the program wrote."""

    given: str
    real: str
    root: str

    @contextmanager
    def folder(self, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """Open the folder that the place is in, made if need be; yield its descriptor and the name inside."""
        parent, name = os.path.split(self.real)
        if not name:
            parent, name = self.real, "."
        with open_folder(self.root, parent, make=make) as descriptor:
            yield descriptor, name


def locate(call: Call, mode: str, path: str, *, follow: bool = True) -> Place:
    """Return the place of ``path`` if ``mode`` ("read" or "write") is granted there.

    Without ``follow`` a symbolic link is itself the place (for moving and deleting).
    """
    if not path or "\0" in path or not _is_encodable(path):
        raise EffectFailed(effect_error("FM0720", "fs/bad-path", f"{path!r} is not a path"))
    absolute = os.path.abspath(os.path.expanduser(path))
    if follow:
        real = os.path.realpath(absolute)
    else:
        parent, name = os.path.split(absolute)
        real = os.path.join(os.path.realpath(parent), name)
    root = call.grants.root_of(f"{mode}:{real}")
    if root is None:
        verb = "reading" if mode == "read" else "writing"
        raise EffectFailed(
            refused("fs", real, _option(mode, absolute), f"{verb} {real} is not granted")
        )
    return Place(path, real, root)


def _option(mode: str, path: str) -> str:
    """Return the option that grants an absolute path, wherever it is given.

    Commas and white space part the grants of an option, so what such a path lies in is named instead.
    """
    while "," in path or path != path.strip():
        path = os.path.dirname(path)
    return f"--allow-fs={mode}:{path}"


def _is_encodable(path: str) -> bool:
    """Say whether the system can have a path: JSON may hold half a character."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def open_folder(root: str, folder: str, *, make: bool = False) -> Iterator[int]:
    """Open ``folder``, which lies below ``root`` or around it, without following links. ``make`` what is missing."""
    if not (folder == root or folder.startswith(root.rstrip("/") + "/")):
        root = folder  # the grant is a single file: its folder is the granter's choice
    while make and not os.path.isdir(root):
        root = os.path.dirname(root)
    descriptor = os.open(root, _FOLDER)
    try:
        for part in os.path.relpath(folder, root).split("/"):
            if part == ".":
                continue
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
            deeper = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = deeper
        yield descriptor
    finally:
        os.close(descriptor)


def check_move(call: Call, source: Place, target: Place) -> None:
    """Refuse a move that would make more readable or writable than is granted.

    What is moved out of where nothing may be read would be read where it comes to; and a symbolic link, or a
    folder that holds one, in the place of a granted path would lead the grant wherever it leads.
    """
    if (
        call.grants.root_of(f"read:{target.real}") is not None
        and call.grants.root_of(f"read:{source.real}") is None
    ):
        why = f"{target.real} can be read, and reading {source.real} is not granted"
        raise EffectFailed(refused("fs", source.real, _option("read", source.real), why))
    is_link = os.path.islink(source.real)
    if is_link or os.path.isdir(source.real):
        ways = (_way(root) for root in call.grants.roots())
        if any(target.real in (way if is_link else way[:-1]) for way in ways):
            what = "is a link" if is_link else "may hold a link"
            message = f"{source.given} {what}, and a grant goes through {target.given}"
            raise EffectFailed(effect_error("FM0721", "fs/denied", message, {"path": target.given}))


def _way(path: str) -> list[str]:
    """Return the files, folders and links through which a path leads, each by the real path of its folder."""
    way: list[str] = []
    left, here = path.split("/")[::-1], "/"
    while left:
        name = left.pop()
        if name == "..":
            here = os.path.dirname(here)
        elif name not in ("", "."):
            place = os.path.join(here, name)
            if not os.path.islink(place):
                here = place
            elif place not in way:  # a link that leads back to itself leads nowhere
                link = os.readlink(place)
                here = "/" if link.startswith("/") else here
                left.extend(link.split("/")[::-1])
            way.append(place)
    return way


def failure(problem: OSError, path: str) -> EffectFailed:
    """Return an operating system's error as an error of the language."""
    type_text = _TYPES.get(problem.errno or 0, "fs/failed")
    message = f"{path}: {problem.strerror or problem}"
    data = {"path": path, "errno": errno.errorcode.get(problem.errno or 0, "")}
    return EffectFailed(effect_error("FM0721", type_text, message, data))


_TYPES = {
    errno.ENOENT: "fs/not-found",
    errno.EEXIST: "fs/exists",
    errno.EACCES: "fs/denied",
    errno.EPERM: "fs/denied",
    errno.EROFS: "fs/denied",
    errno.ENOTDIR: "fs/not-a-folder",
    errno.EISDIR: "fs/is-a-folder",
    errno.ENOTEMPTY: "fs/not-empty",
    errno.ELOOP: "fs/denied",
    errno.ENOSPC: "fs/full",
    errno.EDQUOT: "fs/full",
}
