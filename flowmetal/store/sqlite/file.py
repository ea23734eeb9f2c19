"""Opening and making the file: everything that can be wrong with a path is found here.

What is checked before anything is changed: the folder is there, local and
writable; the file is missing, empty or a store whose schema this version
knows. The file belongs to SQLite: nobody else may open and close it while this
process has a connection, because closing any descriptor of a file drops all of
the process's POSIX locks on it, SQLite's among them.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

from flowmetal.errors import StoreError
from flowmetal.store.sqlite.errors import damaged, from_sqlite, from_system

APPLICATION_ID = 0x464C4F57  # "FLOW"
SCHEMA_VERSION = 1
_OLDEST_SQLITE = (3, 37, 0)  # STRICT tables
_SMALLEST_DATABASE = 512  # bytes; SQLite takes a shorter file for an empty one and overwrites it

# Shared by machines, or by a machine and its guests: locks do not reach everybody.
# fmt: off
_NETWORK = frozenset((
    "9p", "acfs", "afp", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "drvfs", "fhgfs",
    "gfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs3", "nfs4", "ocfs2", "orangefs",
    "panfs", "prl_fs", "pvfs2", "shfs", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
    "fuse.beegfs", "fuse.blobfuse2", "fuse.ceph", "fuse.cifs", "fuse.davfs2", "fuse.gcsfuse",
    "fuse.glusterfs", "fuse.goofys", "fuse.grpcfuse", "fuse.juicefs", "fuse.mount-s3", "fuse.osxfs",
    "fuse.rclone", "fuse.s3fs", "fuse.smbnetfs", "fuse.sshfs", "fuse.vmhgfs-fuse",
))
# fmt: on


def check_place(path: Path) -> None:
    """Raise StoreError if a store cannot be at ``path``. Changes nothing."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StoreError(
            "FM1018",
            f"SQLite {sqlite3.sqlite_version} is too old: 3.37 is needed",
            hint="use a Python that brings a newer SQLite, or a PostgreSQL store",
        )
    try:
        if not stat.S_ISDIR(path.parent.stat().st_mode):
            raise NotADirectoryError(20, "not a directory")
        found = path.stat() if path.exists() else None
    except OSError as error:
        raise from_system(error, path) from error
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise StoreError(
            "FM1004", f"{path} is not a file", hint=f"write sqlite:{path / 'flowmetal.db'}"
        )
    if found is not None and 0 < found.st_size < _SMALLEST_DATABASE:
        raise StoreError("FM1001", f"{path} is not a database", hint="name another path")
    kind = file_system_of(path.parent)
    if kind in _NETWORK:
        raise StoreError(
            "FM1011",
            f"{path} is on a network file system ({kind}), where locks do not hold",
            hint="use a local disk, or a PostgreSQL store for several machines",
        )
    _check_writable(path, found is not None)


def _check_writable(path: Path, there: bool) -> None:
    for place in (path, path.parent) if there else (path.parent,):
        if os.statvfs(place).f_flag & os.ST_RDONLY:
            raise StoreError(
                "FM1006", f"{path} is on a read-only file system", hint="name another path"
            )
        if not os.access(place, os.R_OK | os.W_OK):
            readable = os.access(place, os.R_OK)
            raise StoreError(
                "FM1006" if readable else "FM1005",
                f"{path} cannot be {'written' if readable else 'read'} by this user",
                hint="make the file, the files beside it and the folder accessible to this user",
            )


def file_system_of(folder: Path, mounts: str | None = None) -> str:
    """Return the type of the file system that holds ``folder``, "" where that is not known."""
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text(errors="surrogateescape")
        except OSError:
            return ""
    wanted = os.path.realpath(folder)
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = _unescape(fields[1])
        inside = wanted == point or wanted.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:  # of two at one place, the later one covers the other
            best, kind = len(point), fields[2]
    return kind


def _unescape(field: str) -> str:
    """Undo the octal escapes for blanks and backslashes in /proc/mounts."""
    for octal, character in (("040", " "), ("011", "\t"), ("012", "\n"), ("134", "\\")):
        field = field.replace("\\" + octal, character)
    return field


def is_new(path: Path) -> bool:
    """Say whether a store has to be made at ``path``. Raises StoreError for a file that is no store."""
    if not path.exists():
        _check_no_log(path)
        return True
    if path.stat().st_size == 0:
        return True
    connection = connect(path, timeout_s=5)
    try:
        return not _is_store(connection, path)
    finally:
        connection.close()


def _check_no_log(path: Path) -> None:
    """Raise StoreError FM1020 if there is a log without its file: SQLite would delete it with all commits in it."""
    log = path.with_name(path.name + "-wal")
    try:
        size = log.stat().st_size
    except OSError:
        return
    if size and not path.exists():  # somebody may have made both just now
        raise StoreError(
            "FM1020",
            f"{path} is not there, but {log.name} is, which holds its newest commits",
            hint=f"put {path.name} back, or move {log.name} to where it is now; delete it if the store is to be gone",
        )


def _is_store(connection: sqlite3.Connection, path: Path) -> bool:
    """Say whether the database is a store; False is an empty one. Raises StoreError if it is another."""
    try:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != APPLICATION_ID and tables == 0:
            return False
        if application != APPLICATION_ID:
            raise StoreError(
                "FM1002",
                f"{path} is the database of another application",
                hint="name another path; a store is made on first use",
            )
        _check_version(connection, path)
    except sqlite3.Error as error:
        raise from_sqlite(error, path) from error
    except UnicodeDecodeError as error:
        raise damaged(path) from error
    return True


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    version, reader, writer = connection.execute(
        "SELECT schema_version, minimum_reader, minimum_writer FROM store"
    ).fetchone()
    if max(reader, writer) > SCHEMA_VERSION:
        raise StoreError(
            "FM1010",
            f"{path} was made by a newer Flowmetal (schema {version}, this one knows {SCHEMA_VERSION})",
            hint="upgrade Flowmetal",
        )


def connect(path: Path, timeout_s: float) -> sqlite3.Connection:
    """Open an existing file. Every statement stands for itself until somebody says BEGIN."""
    try:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=timeout_s,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
    except sqlite3.Error as error:
        raise from_sqlite(error, path) from error


def make_file(path: Path) -> None:
    """Make an empty file for the owner alone, if there is none. Nobody can have it open yet."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise from_system(error, path) from error


def prepare(connection: sqlite3.Connection, path: Path, now_us: int, *, new: bool) -> None:
    """Set the connection up, and make the tables if they are not there. The caller keeps others out."""
    try:
        _set_modes(connection, path)
        if new and not _is_store(connection, path):
            _make_tables(connection, now_us)
            _sync_folder(path.parent)
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise from_sqlite(error, path) from error


def _set_modes(connection: sqlite3.Connection, path: Path) -> None:
    wanted = {"journal_mode": ("wal",), "synchronous": (2,), "mmap_size": (0,)}
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA mmap_size=0")
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA journal_mode=WAL")
    for name, value in wanted.items():
        found = connection.execute(f"PRAGMA {name}").fetchone()
        if found != value:
            raise StoreError("FM1018", f"SQLite does not give {path} {name}={value[0]}: {found}")


def _make_tables(connection: sqlite3.Connection, now_us: int) -> None:
    schema = Path(__file__).with_name("schema.sql").read_text("utf-8")
    connection.executescript(
        f"BEGIN IMMEDIATE; {schema}"
        f"PRAGMA application_id = {APPLICATION_ID};"
        f"INSERT INTO store VALUES ({SCHEMA_VERSION}, 1, 1, {now_us}); COMMIT;"
    )


def _sync_folder(folder: Path) -> None:
    """Make the names of new files durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
