"""The address of a PostgreSQL store: libpq's URL, and what only we read in it.

    postgresql://user:password@host:port/database?schema=flowmetal&direct_host=db1

Everything that libpq knows goes to libpq, so that its environment (PGHOST,
PGPASSWORD), its password file and several hosts work. Ours are

- ``schema``: where the tables are (flowmetal). One database may hold several stores.
- ``direct_host`` ``direct_port`` ``direct_dbname``: where the server itself answers, if the
  URL names a pooler. Liveness and hints need a connection that stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from flowmetal.errors import StoreError

_DIRECT = "direct_"
_OURS = frozenset({"schema", "direct_host", "direct_port", "direct_dbname"})
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
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        ours = {key: value for key, value in query if key in _OURS}
        theirs = urlencode([pair for pair in query if pair[0] not in _OURS], quote_via=quote)
        plain = urlunsplit(("postgresql", parts.netloc, parts.path, theirs, ""))
        if not parts.netloc and not url.partition(":")[2].startswith("//"):
            raise ValueError("it goes on with // after the colon")
        parameters = _parameters(plain)
    except (ValueError, ProgrammingError) as error:
        raise StoreError(
            "FM1012",
            f"`{without_password(url)}` does not name a PostgreSQL store: {str(error).strip()}",
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


def _parameters(url: str) -> dict[str, str]:
    return {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}


def without_password(url: str) -> str:
    """Return the URL as it may be shown."""
    head, at, rest = url.rpartition("@")
    scheme, slashes, user = head.partition("://")
    hidden = f"{scheme}{slashes}{user.partition(':')[0]}{at}{rest}" if at else url
    return re.sub(r"([?&]password=)[^&]*", r"\1...", hidden)


def _place(parameters: dict[str, str]) -> str:
    name = parameters.get("dbname") or parameters.get("user") or "of this user"
    host = parameters.get("host") or parameters.get("hostaddr")
    port = parameters.get("port")
    where = f" on {host}{f':{port}' if port else ''}" if host else ""
    return f"database {name}{where}"
