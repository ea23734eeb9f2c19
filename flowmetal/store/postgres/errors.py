"""What PostgreSQL and libpq complain about, in the words of the store.

The server names its complaints by SQLSTATE; while a connection is made libpq gives
a text alone, and that is looked at. Whatever is not the world's fault (a
constraint, a syntax error) is ours, is not translated, and comes out as it is.
"""

from __future__ import annotations

from shlex import quote

import psycopg

from flowmetal.errors import StoreError

_WAIT = "the store is used again by itself when the server answers; see its log"
_GRANT = "see the roles and permissions in docs/operations.md"
_PRIMARY = "name the primary server, or all of them: postgresql://a,b/DATABASE"
_ROOM = "make room on the server; the store goes on by itself"

_DIRECT = "name the server itself too, with direct_host=HOST&direct_port=5432 in the address"
_STOP = "stop the processes that use it before you restore a backup; opened again, it is made anew"

# fmt: off
# SQLSTATE, whole or its class -> our code, the sentence, what to do. {place} and {detail} are filled in.
# TLS is none: what fails before the server has said a word.
_STATES = {
    "08":    ("FM1022", "the connection to {place} broke: {detail}",                  _WAIT),
    "TLS":   ("FM1022", "the server of {place} cannot be reached: {detail}",           "look at sslmode and sslrootcert in the address"),
    "57P":   ("FM1022", "the server of {place} is stopping or starting: {detail}",    _WAIT),
    "25P03": ("FM1022", "the server of {place} gave the transaction up: {detail}",    _WAIT),
    "25P04": ("FM1022", "the server of {place} gave the transaction up: {detail}",    _WAIT),
    "28":    ("FM1023", "the server refuses this user for {place}: {detail}",         "look at user and password, PGPASSWORD or ~/.pgpass"),
    "3D000": ("FM1024", "there is no {place}",                                        "make it: createdb {database}"),
    "26000": ("FM1026", "a pooler shares the connections to {place}",                  _DIRECT),
    "42P05": ("FM1026", "a pooler shares the connections to {place}",                  _DIRECT),
    "3F000": ("FM1020", "the schema of the store in {place} is gone",                 _STOP),
    "42P01": ("FM1020", "the tables of the store in {place} are gone",                _STOP),
    "42501": ("FM1005", "this user may not do that in {place}: {detail}",             _GRANT),
    "25006": ("FM1006", "{place} is read-only: a replica, or set so",                 _PRIMARY),
    "53100": ("FM1007", "the disk of {place} is full: nothing was written",           _ROOM),
    "53":    ("FM1025", "the server of {place} has no room for this: {detail}",       "raise max_connections, or use a pooler"),
    "58":    ("FM1008", "the disk failed under {place}: {detail}",                    "look at the server's log"),
    "XX":    ("FM1008", "the server of {place} failed inside: {detail}",              "look at the server's log"),
    "57014": ("FM1009", "the server of {place} took too long: {detail}",              "see who is waiting: pg_stat_activity"),
    "55P03": ("FM1009", "a row in {place} is locked for too long",                    "see who is waiting: pg_stat_activity"),
    "40":    ("FM1009", "the server of {place} gave the transaction up: {detail}",    "try again"),
    "54":    ("FM1021", "a part of the run is too big for {place}: {detail}",         "keep big values outside of the run"),
    "22003": ("FM1021", "a number is too big for {place}: {detail}",                  "keep such values outside of the run"),
    "22P02": ("FM1021", "a value is none that {place} can keep: {detail}",            "keep such values outside of the run"),
    "22021": ("FM1021", "a name is not text that {place} can keep: {detail}",         "the database must have the encoding UTF8"),
    "22P05": ("FM1021", "a name is not text that {place} can keep: {detail}",         "the database must have the encoding UTF8"),
}

# While connecting: what the text says -> the row above.
_TEXTS = (
    ("too many clients", "53"), ("too many connections", "53"), ("remaining connection slots", "53"),
    ("password authentication failed", "28"), ("no password supplied", "28"),
    ("pg_hba.conf", "28"), ("authentication failed", "28"),
    ("role \"", "28"),
    ("database \"", "3D000"),
    ("permission denied for database", "42501"),
    ("session is read-only", "25006"), ("server is in hot standby", "25006"),
    ("unsupported startup parameter", "42P05"),
    ("starting up", "57P"), ("shutting down", "57P"), ("recovery mode", "57P"),
    ("does not support SSL", "TLS"), ("certificate", "TLS"), ("sslmode", "TLS"),
)
# fmt: on


def from_psycopg(error: psycopg.Error, place: str, *, connecting: bool = False) -> Exception:
    """Return the StoreError for what psycopg raised, or the error itself if it is ours."""
    found = _row(error, connecting)
    if found is None:
        return error
    code, sentence, remedy = found
    words = {"place": place, "detail": _detail(error), "database": quote(_database(place))}
    return StoreError(code, sentence.format(**words), hint=remedy.format(**words))


def _database(place: str) -> str:
    return place.removeprefix("database ").partition(" on ")[0]


def _row(error: psycopg.Error, connecting: bool) -> tuple[str, str, str] | None:
    state = error.sqlstate or ""
    for length in (5, 3, 2):
        found = _STATES.get(state[:length])
        if found is not None and state:
            return found
    if connecting:
        text = str(error)
        for words, row in _TEXTS:
            if words in text:
                return _STATES[row]
        return (
            "FM1022",
            "the server of {place} cannot be reached: {detail}",
            "see that it runs and accepts connections: pg_isready",
        )
    if isinstance(error, psycopg.DataError) and "NUL" in str(error):
        return _STATES["22021"]
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and not state:
        return _STATES["08"]
    return None


def _detail(error: psycopg.Error) -> str:
    """Return the server's first sentence, without the words that every message of libpq begins with."""
    said = error.diag.message_primary or str(error).strip()
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    said = lines[0] if lines else type(error).__name__
    for noise in ("FATAL: ", "ERROR: ", "failed: ", "consuming input "):
        said = said.rpartition(noise)[2].strip()
    return said
