"""What ``fmvm doctor`` finds out about a PostgreSQL server."""

from __future__ import annotations

import pytest

from flowmetal.embed.doctor import examine
from tests.postgres import Server
from tests.shell import Shell


def findings(url: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in examine(url):
        found.setdefault(finding.level, []).append(finding.about)
        if finding.level != "fine":
            assert finding.remedy
    return found


def test_a_server_in_order_is_found_in_order(postgres: Server) -> None:
    with postgres.empty_store() as url:
        found = findings(url)
    assert set(found) == {"fine"}
    about = {"server", "durability", "connections", "schema", "permissions", "settings", "clock"}
    assert {*about, "direct connection"} <= set(found["fine"])


def test_what_was_found_stands_in_columns(postgres: Server, shell: Shell) -> None:
    with postgres.empty_store() as url:
        shown = shell("fmvm", "doctor", "--store", url)
    lines = shown.out.splitlines()
    assert "fine    direct connection  the server itself answers" in lines
    assert "fine    server             PostgreSQL" in shown.out


@pytest.mark.parametrize("setting", ["synchronous_commit", "fsync"])
def test_a_server_that_does_not_write_to_disk_is_found_out(postgres: Server, setting: str) -> None:
    with postgres.empty_store() as url:
        postgres.execute(f"ALTER SYSTEM SET {setting} = off")
        postgres.reload()
        try:
            found = findings(url)
        finally:
            postgres.execute(f"ALTER SYSTEM RESET {setting}")
            postgres.reload()
    assert found["wrong"] == ["durability"]


def test_a_user_without_rights_is_found_out(postgres: Server) -> None:
    with postgres.empty_store() as url:
        schema = url.rpartition("=")[2]
        postgres.execute(
            "DROP ROLE IF EXISTS half; CREATE ROLE half LOGIN;"
            f"GRANT USAGE ON SCHEMA {schema} TO half;"
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO half"
        )
        try:
            found = findings(f"{postgres.url(user='half')}?schema={schema}")
            postgres.execute(
                f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO half"
            )
            without_sequences = findings(f"{postgres.url(user='half')}?schema={schema}")
        finally:
            postgres.execute("DROP OWNED BY half")
    assert found["wrong"] == ["permissions"]
    assert without_sequences["wrong"] == ["permissions"]


def test_connections_of_a_pooler_that_has_not_our_settings_are_found_out(postgres: Server) -> None:
    with postgres.empty_store() as url:
        # Two ways to the server: the first one is taken for a pooler's.
        direct = f"direct_host={postgres.folder}&schema={url.rpartition('=')[2]}"
        found = findings(f"{postgres.url()}?{direct}")
    assert found["wrong"] == ["settings"]
