"""Starting many runs and putting them to sleep: how many a second, and what each of them costs.

Runs are started through the library, some hundreds in a transaction (and some one by one, each with
a transaction of its own); an interpreter drives
each to its first wait. Then the size of the store is divided by the number of runs,
and the memory of the interpreter is compared with what it was after the first tenth.

    python -m benchmarks.sleeping [--runs 10000] [--stores ...]
"""

from __future__ import annotations

import argparse
import importlib
import os
import resource
import sqlite3
import time

from benchmarks.servers import add_options, stores
from flowmetal.embed import Beginning, Engine, compile

SOURCE = """
(ns sleeping)
(defn main [n] (sleep! #dur "30d") n)
"""


def store_bytes(url: str) -> int:
    """Return how much room the store takes."""
    if url.startswith("sqlite:"):
        path = url.removeprefix("sqlite:")
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return os.path.getsize(path)
    psycopg = importlib.import_module("psycopg")
    place, _, schema = url.rpartition("schema=")
    with psycopg.connect(place.rstrip("&?"), autocommit=True) as connection:
        (size,) = connection.execute(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = %s::regnamespace",
            (schema,),
        ).fetchone()
    return int(size)


def peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10_000)
    add_options(parser)
    options = parser.parse_args()
    program = compile(SOURCE)
    with stores(options) as found:
        for name, places in found:
            url = places.new()
            with Engine(url) as engine:
                first = max(1, options.runs // 10)
                begun = time.perf_counter()
                for number in range(first):
                    engine.start(program, [number])
                singly = first / (time.perf_counter() - begun)
                engine.interpret(until_idle=True)
                memory, size = peak_kb(), store_bytes(url)
                rest = options.runs - first
                begun = time.perf_counter()
                engine.start_many(program, (Beginning([number]) for number in range(rest)))
                started = time.perf_counter()
                engine.interpret(until_idle=True)
                ended = time.perf_counter()
                grown, each = peak_kb() - memory, (store_bytes(url) - size) / rest
            print(
                f"{name:<11} started {singly:6.0f} per second one by one, {rest / (started - begun):6.0f} together,"
                f" put to sleep {rest / (ended - started):6.0f} per second,"
                f" both {rest / (ended - begun):6.0f}; {each:.0f} bytes of store each,"
                f" peak memory grew by {grown} kB"
            )


if __name__ == "__main__":
    main()
