"""The stores that what a run does is tried on: in memory or in a file, and a real PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.postgres import Server


def url_of(place: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """Return the URL of a new and empty store."""
    match place:
        case "memory":
            return "memory:"
        case "sqlite":
            return f"sqlite:{folder / 'store.db'}"
        case _:
            server: Server = request.getfixturevalue("postgres")
            return server.new_store()
