"""The store in a PostgreSQL database: many machines, one store.

``address`` reads the URL, ``connecting`` makes connections, ``schema`` makes and
upgrades the tables (``schema.sql``), ``pool`` hands connections out, ``line`` is the one
direct connection that says who is alive and carries hints, ``rows`` and ``steps``
hold the SQL, ``store`` is the protocol. psycopg is imported here and nowhere else.
"""

from flowmetal.errors import StoreError

try:
    import psycopg as _psycopg  # noqa: F401
except ImportError as missing:
    raise StoreError(
        "FM1013",
        f"a PostgreSQL store needs psycopg, which is not here ({missing})",
        hint='pip install "flowmetal[postgres]"',
    ) from None

from flowmetal.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
