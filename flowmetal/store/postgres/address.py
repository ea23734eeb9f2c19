"""The address of a PostgreSQL store: libpq's URL, and what only we read in it.

    postgresql://user:password@host:port/database?schema=flowmetal&direct_host=db1

Everything that libpq knows goes to libpq, so that its environment (PGHOST,
PGPASSWORD), its password file and several hosts work, and a password has the characters that
it has for psql. Ours are

- ``schema``: where the tables are (flowmetal). One database may hold several stores.
- ``direct_host`` ``direct_port`` ``direct_dbname``: where the server itself answers, if the
  URL names a pooler. Liveness and hints need a connection that stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from flowmetal.errors import StoreError

_DIRECT = "direct_"
_OURS = frozenset({"schema", "direct_host", "direct_port", "direct_dbname"})
_SECRET = "password|sslpassword|oauth_client_secret"
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,47}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a store is. ``shown`` is the URL without its password."""

    shown: str
    place: str  # "database x on host:port", for messages
    schema: str
    parameters: dict[str, str]
    direct: dict[str, str]

    @property
    def is_pooled(self) -> bool:
        """Say whether ordinary connections go through a pooler."""
        return self.direct != self.parameters


def read_address(url: str) -> Address:
    """Take a URL apart. Raises StoreError FM1012."""
    try:
        plain, ours = _taken_apart(url)
        parameters = _parameters(plain)
        _check_place(parameters)
    except (ValueError, ProgrammingError) as error:
        raise StoreError(
            "FM1012",
            f"`{without_password(url)}` does not name a PostgreSQL store: {_why(error, url)}",
            hint="write postgresql://USER@HOST:PORT/DATABASE",
        ) from None
    schema = ours.get("schema", "flowmetal")
    if not _SCHEMA.fullmatch(schema) or schema.startswith("pg_"):
        raise StoreError(
            "FM1012",
            f"`{schema}` cannot be the schema of a store",
            hint="a schema is up to 48 small letters, digits and _, and does not begin with pg_",
        )
    direct = {key.removeprefix(_DIRECT): ours[key] for key in ours if key.startswith(_DIRECT)}
    return Address(
        shown=without_password(url),
        place=_place(parameters),
        schema=schema,
        parameters=parameters,
        direct=parameters | direct,
    )


def _taken_apart(url: str) -> tuple[str, dict[str, str]]:
    """Return the URL for libpq, and what is ours in it.

    As libpq does: what is before the first @ names the user, unless a / comes first; else its
    password may have a ?, and no + means a space.
    """
    scheme, slashes, rest = url.partition("://")
    if ":" in scheme or not slashes:
        raise ValueError("it goes on with // after the colon")
    before = re.match("[^@/]*@", rest)
    user = before.group() if before else ""
    place, _, query = rest.removeprefix(user).partition("?")
    pairs = [pair.partition("=") for pair in query.split("&")] if query else []
    ours = {key: unquote(value) for key, _, value in pairs if key in _OURS}
    # libpq wants a second = of a pair as %3D, as in options=-c%20statement_timeout%3D60000.
    theirs = [
        f"{key}{sign}{quote(unquote(value))}" for key, sign, value in pairs if key not in ours
    ]
    return f"postgresql://{user}{place}?{'&'.join(theirs)}", ours


def _check_place(parameters: Mapping[str, str]) -> None:
    """Raise ValueError if what should be host and port is a piece of a password."""
    ports = parameters.get("port", "").split(",")
    if "@" in parameters.get("host", "") or not all(re.fullmatch("[0-9]*", port) for port in ports):
        raise ValueError("in a user's name and password @ is written %40, / is %2F and : is %3A")


def _parameters(url: str) -> dict[str, str]:
    return {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}


def _why(error: Exception, url: str) -> str:
    """Return what an address is refused for; libpq quotes what it does not understand."""
    said = str(error).strip()
    for secret in re.findall(rf"//[^:@/]*:([^@/]+)@|[?&](?:{_SECRET})=([^&]+)", url):
        said = said.replace("".join(secret), "...")
    return said


def without_password(url: str) -> str:
    """Return the URL as it may be shown."""
    head, at, rest = url.rpartition("@")
    scheme, slashes, user = head.partition("://")
    hidden = f"{scheme}{slashes}{user.partition(':')[0]}{at}{rest}" if at else url
    return re.sub(rf"([?&](?:{_SECRET})=)[^&]*", r"\1...", hidden)


def _place(parameters: dict[str, str]) -> str:
    name = parameters.get("dbname") or parameters.get("user") or "of this user"
    hosts = (parameters.get("host") or parameters.get("hostaddr") or "").split(",")
    ports = parameters.get("port", "").split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports  # one is for all
    places = [f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=False)]
    return f"database {name} on {','.join(places)}" if any(hosts) else f"database {name}"
