"""Files that users name: programs, sources, JSON. What is wrong with one is said with a remedy.

The only place that opens files for the commands. A file is written beside its
name and moved there when it is whole, so that nobody ever reads half of one.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flowmetal.errors import UsageError

if TYPE_CHECKING:
    from flowmetal.bytecode.code import Program
    from flowmetal.source import Source
    from flowmetal.values import Value

SUFFIX = ".fmb"
_ANOTHER_FILE = "name another file with -o"


def load_program(file: str, *, roots: Sequence[str] = (), contracts: bool = True) -> Program:
    """Return the program in ``file``: read if it is a .fmb, else compiled."""
    if not file.endswith(SUFFIX):
        return compile_path(file, roots=roots, contracts=contracts)
    from flowmetal.bytecode.file import read_program
    from flowmetal.errors import ProgramError

    data = read_bytes(file)
    try:
        return read_program(data)
    except ProgramError as error:
        raise error.with_note(f"while reading {file}") from None


def compile_path(file: str, *, roots: Sequence[str] = (), contracts: bool = True) -> Program:
    """Compile ``file`` and all that it requires. Raises ReadError, CompileError or UsageError."""
    from flowmetal.embed.config import source_roots
    from flowmetal.embed.session import Session

    source = read_source(file)
    session = Session(roots=source_roots(Path(file), roots), contracts=contracts)
    return session.compile_source(source, Path(file))


def write_program_file(program: Program, file: str, output: str | None) -> str:
    """Write ``program`` to ``output`` (default: beside ``file``) and return the path.

    Raises UsageError FM1312, also if that is ``file`` itself: a source is not to be lost to its program.
    """
    from flowmetal.bytecode.file import write_program

    path = output or os.path.splitext(file)[0] + SUFFIX
    if os.path.exists(path) and os.path.samefile(path, file):
        raise UsageError(
            "FM1312", f"{path} cannot be written: it is the source", hint=_ANOTHER_FILE
        )
    write_bytes(path, write_program(program))
    return path


def read_bytes(file: str) -> bytes:
    """Return what is in ``file``. Raises UsageError FM1301, FM1302 or FM1303."""
    try:
        with open(file, "rb") as opened:
            return opened.read()
    except FileNotFoundError:
        if os.path.islink(file):
            raise UsageError("FM1303", _broken_link(file)) from None
        raise UsageError("FM1301", f"there is no file {file}", hint=_near(file)) from None
    except IsADirectoryError:
        raise UsageError(
            "FM1302", f"{file} is a folder", hint="name a file, such as main.flow inside it"
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(
            "FM1303",
            f"{file[:300]} cannot be read: {_reason(error)}",
            hint="`ls -l` shows what it is and who may read it",
        ) from None


def read_source(file: str) -> Source:
    """Return the source in ``file``. Raises UsageError FM1304 with the place of a byte that is not UTF-8."""
    from flowmetal.reader import decode_source

    return decode_source(shown_path(file), read_bytes(file))


def find_source(roots: Sequence[Path], path: str) -> Source | None:
    """Return the source at ``path`` below one of the source roots, None if none has it.

    Raises UsageError FM0209 if two of them do, FM1302 or FM1303 for what is there and no file
    to be read, FM1304 for one that is not UTF-8.
    """
    found: list[str] = []
    for root in roots:
        file = os.path.join(root, path)
        if _is_source(file) and not any(os.path.samefile(file, other) for other in found):
            found.append(file)
    if len(found) > 1:
        first, second, *_ = map(shown_path, found)
        raise UsageError("FM0209", f"two source roots have it: {first} and {second}")
    return read_source(found[0]) if found else None


def _is_source(file: str) -> bool:
    """Say whether there is a file of this name. Raises UsageError if it cannot be one."""
    try:
        mode = os.stat(file).st_mode
    except (FileNotFoundError, NotADirectoryError):
        if not os.path.islink(file):
            return False
        raise UsageError("FM1303", _broken_link(file)) from None
    except (OSError, ValueError) as error:
        why = _reason(error)
        raise UsageError("FM1303", f"{shown_path(file)} cannot be read: {why}") from None
    if stat.S_ISDIR(mode):
        raise UsageError("FM1302", f"{shown_path(file)} is a folder")
    if not stat.S_ISREG(mode):  # reading a pipe would wait for ever
        raise UsageError("FM1303", f"{shown_path(file)} is a device or a pipe")
    return True


def _broken_link(file: str) -> str:
    target = os.readlink(file)
    return f"{shown_path(file)} cannot be read: it is a link to {target}, which is not there"


def write_bytes(
    file: str, data: bytes, hint: str = _ANOTHER_FILE, *, is_new: bool = False, mode: int = 0o666
) -> None:
    """Put ``data`` into ``file``, all or nothing, there after a power cut too.

    ``hint``: what to do if that fails. ``is_new``: nothing has this name, and what gets it meanwhile keeps it.
    ``mode``: who may read and write it, less what the process's umask takes away.
    Raises UsageError FM1312, also for what is no plain file: /dev/null would be replaced.
    """
    fresh = f"{file}.{os.urandom(4).hex()}.part"  # others may be writing a file of this name
    try:
        if os.path.isdir(file):
            raise IsADirectoryError(21, "it is a folder")
        if os.path.exists(file) and not os.path.isfile(file):
            raise OSError(22, "it is a device or a pipe")
        with open(fresh, "xb", opener=lambda path, flags: os.open(path, flags, mode)) as opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        (_name if is_new else os.replace)(fresh, file)
        _sync_folder(os.path.dirname(file) or ".")
    except (OSError, ValueError) as error:
        with contextlib.suppress(OSError, ValueError):  # the first trouble is the one to tell
            os.unlink(fresh)
        raise UsageError(
            "FM1312",
            f"{file} cannot be written: {_reason(error)}",
            hint=hint,
        ) from None


def _name(fresh: str, file: str) -> None:
    """Give a file a name that nothing has. Raises FileExistsError if something has it by now."""
    try:
        os.link(fresh, file)
    except FileExistsError:
        raise
    except OSError:  # not every file system has links: there the name is taken before
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.replace(fresh, file)
    else:
        os.unlink(fresh)


def _sync_folder(folder: str) -> None:
    """Make the name of a new file durable: syncing the file does not."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_json_value(data: bytes, place: str, option: str) -> Value:
    """Return the value of a JSON text. Raises UsageError FM1305 with the place of what is wrong."""
    from flowmetal.values import DataError
    from flowmetal.values.json_mapping import json_loads

    try:
        return json_loads(data.decode("utf-8-sig"))
    except DataError as error:
        why = error.message.removeprefix("this is not JSON: ")
    except UnicodeDecodeError as error:
        why = f"byte {error.start} is not UTF-8"
    what = f"{option} is not JSON" if place == option else f"{option}: {place} is not JSON"
    raise UsageError(
        "FM1305", f"{what}: {why}", hint="""write strings in double quotes: '"ada"', '{"id": 7}'"""
    )


def shown_path(file: str) -> str:
    """Return ``file`` as errors show it: relative to the working directory where it lies below."""
    try:
        relative = os.path.relpath(file)
    except (OSError, ValueError):  # without a working folder nothing is relative to it
        return file
    return file if relative.startswith("..") else relative


def _near(file: str) -> str:
    import difflib

    folder = os.path.dirname(file) or "."
    try:
        near = difflib.get_close_matches(os.path.basename(file), os.listdir(folder), n=1)
    except OSError:
        return f"there is no folder {folder} either"
    return (
        f"did you mean `{os.path.join(os.path.dirname(file), near[0])}`?"
        if near
        else "check the path"
    )


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)
