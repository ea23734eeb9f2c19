"""Whatever is wrong with a server, a user or a database is said, with a remedy."""

from __future__ import annotations

import sys

import psycopg
import pytest

from flowmetal.embed.doctor import examine
from flowmetal.errors import StoreError
from flowmetal.ids import InterpreterId, RunId
from flowmetal.store import open_store
from flowmetal.store.postgres.address import read_address
from flowmetal.store.postgres.connecting import connect
from flowmetal.store.postgres.errors import from_psycopg
from flowmetal.store.postgres.schema import Migration, migrations, prepare
from flowmetal.store.protocol import Claim, Loaded, Message
from tests.contracts.test_store import PROGRAM, new, take
from tests.postgres import Server, free_port


def refusal(url: str) -> StoreError:
    with pytest.raises(StoreError) as refused:
        open_store(url).close()
    assert refused.value.diagnostics[0].help
    return refused.value


def role(postgres: Server, name: str, options: str = "LOGIN") -> str:
    postgres.execute(f"DROP ROLE IF EXISTS {name}; CREATE ROLE {name} {options}")
    return postgres.url(user=name)


def test_a_server_that_is_down(postgres: Server) -> None:
    error = refusal(postgres.url(port=free_port()))
    assert error.code == "FM1022"
    assert "Connection refused" in error.message


def test_a_password_that_is_wrong(postgres: Server) -> None:
    url = role(postgres, "guarded", "LOGIN PASSWORD 'right'").replace("guarded@", "guarded:wr0ng@")
    error = refusal(url)
    assert error.code == "FM1023"
    assert "wr0ng" not in str(error)


def test_a_user_that_is_not_there(postgres: Server) -> None:
    assert refusal(postgres.url(user="nobody_at_all")).code == "FM1023"


def test_a_database_that_is_not_there(postgres: Server) -> None:
    error = refusal(postgres.url("orders"))
    assert error.code == "FM1024"
    assert "createdb orders" in str(error.diagnostics[0].help)
    assert "createdb 'my orders'" in str(refusal(postgres.url("my%20orders")).diagnostics[0].help)


def test_a_user_that_may_not_make_tables(postgres: Server) -> None:
    assert refusal(role(postgres, "guest") + "?schema=of_guest").code == "FM1005"


def test_a_user_that_may_not_read_the_tables(postgres: Server) -> None:
    url = role(postgres, "guest")
    with postgres.empty_store() as store:
        assert refusal(f"{url}?schema={store.rpartition('=')[2]}").code == "FM1005"


@pytest.mark.parametrize("how", ["require", "verify-full", "bogus"])
def test_a_server_that_cannot_be_spoken_to_in_secret(postgres: Server, how: str) -> None:
    error = refusal(f"{postgres.url()}?sslmode={how}")
    assert error.code == "FM1022"
    assert "sslmode" in str(error.diagnostics[0].help)


def test_several_servers_are_named_each_with_its_port(postgres: Server) -> None:
    one, two = free_port(), free_port()
    error = refusal(f"postgresql://me@127.0.0.1:{one},localhost:{two}/x")
    assert f"database x on 127.0.0.1:{one},localhost:{two} " in error.message


def test_a_server_that_only_reads(postgres: Server) -> None:
    url = role(postgres, "reader")
    postgres.execute("ALTER ROLE reader SET default_transaction_read_only = on")
    assert refusal(url).code == "FM1006"


def test_a_server_without_room_for_a_connection(postgres: Server) -> None:
    assert refusal(role(postgres, "crowd", "LOGIN CONNECTION LIMIT 0")).code == "FM1025"
    full = psycopg.OperationalError("connection failed: FATAL:  sorry, too many clients already")
    assert "FM1025" in str(from_psycopg(full, "database x", connecting=True))


@pytest.mark.parametrize(
    "said",
    [
        psycopg.OperationalError("connection failed: unsupported startup parameter: options"),
        psycopg.errors.DuplicatePreparedStatement('prepared statement "_pg3_0" already exists'),
        psycopg.errors.InvalidSqlStatementName('prepared statement "_pg3_0" does not exist'),
    ],
)
def test_a_pooler_that_is_taken_for_the_server(said: psycopg.Error) -> None:
    error = from_psycopg(said, "database x", connecting=said.sqlstate is None)
    assert isinstance(error, StoreError)
    assert error.code == "FM1026"
    assert "direct_host" in str(error.diagnostics[0].help)


@pytest.mark.parametrize(
    "said",
    [
        psycopg.errors.IdleInTransactionSessionTimeout("terminating connection"),
        psycopg.errors.TransactionTimeout("terminating connection"),  # PostgreSQL 17
    ],
)
def test_a_transaction_that_the_server_gave_up_is_trouble_of_the_server(
    said: psycopg.Error,
) -> None:
    error = from_psycopg(said, "database x")
    assert isinstance(error, StoreError)
    assert error.code == "FM1022"


def test_a_database_that_does_not_keep_every_text(postgres: Server) -> None:
    postgres.execute(
        "CREATE DATABASE latin ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    error = refusal(postgres.url("latin"))
    assert error.code == "FM1026"
    assert "LATIN1" in error.message


def test_a_schema_of_another_application(postgres: Server) -> None:
    postgres.execute("CREATE SCHEMA shop; CREATE TABLE shop.store (address text)")
    assert refusal(postgres.url() + "?schema=shop").code == "FM1002"
    postgres.execute("CREATE SCHEMA sports; CREATE TABLE sports.run (miles int)")
    assert refusal(postgres.url() + "?schema=sports").code == "FM1002"


def test_a_schema_that_is_a_word_of_sql_is_one_like_others(postgres: Server) -> None:
    store = open_store(postgres.url() + "?schema=order")
    store.create_run(new(RunId("r")))
    assert isinstance(store.claim(RunId("r"), InterpreterId("me"), 10_000_000), Claim)
    store.close()
    assert "wrong" not in {found.level for found in examine(postgres.url() + "?schema=order")}


def test_tables_that_were_dropped_while_in_use(postgres: Server) -> None:
    url = postgres.new_store()
    store = open_store(url)
    postgres.execute(f"DROP SCHEMA {url.rpartition('=')[2]} CASCADE")
    with pytest.raises(StoreError) as gone:
        store.attend()
    assert gone.value.code == "FM1020"
    assert gone.value.diagnostics[0].help
    with pytest.raises(StoreError) as gone:
        store.create_run(new(RunId("r")))
    assert gone.value.code == "FM1020"
    store.close()


def test_a_name_that_holds_a_nul_is_refused_and_changes_nothing(postgres: Server) -> None:
    with postgres.empty_store() as url:
        store = open_store(url)
        store.create_run(new())
        with pytest.raises(StoreError) as refused:
            store.send(RunId("run-1"), Message("a\0b", "signal", "go", b""))
        assert refused.value.code == "FM1021"
        assert store.inbox(RunId("run-1"), 0) == []
        store.close()


def test_a_missing_library_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("flowmetal.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    error = refusal("postgresql://localhost/x")
    assert error.code == "FM1013"
    assert "pip install" in str(error.diagnostics[0].help)


def test_a_url_is_shown_without_its_password(postgres: Server) -> None:
    role(postgres, "guarded", "LOGIN SUPERUSER PASSWORD 'secret'")
    with postgres.empty_store() as store:
        schema = store.rpartition("=")[2]
        url = postgres.url(user="guarded:secret") + f"?schema={schema}"
        opened = open_store(url)
        assert opened.url == url.replace(":secret", "")
        opened.close()


# Versions of the tables


def test_a_store_of_a_newer_version_is_refused(postgres: Server) -> None:
    url = postgres.new_store()
    schema = url.rpartition("=")[2]
    open_store(url).close()
    postgres.execute(f"UPDATE {schema}.store SET schema_version = 9, minimum_writer = 9")
    error = refusal(url)
    assert error.code == "FM1010"
    assert "schema 9" in error.message


def test_a_newer_version_that_this_one_may_still_use_is_used(postgres: Server) -> None:
    url = postgres.new_store()
    open_store(url).close()
    postgres.execute(f"UPDATE {url.rpartition('=')[2]}.store SET schema_version = 9")
    open_store(url).close()


def test_an_older_store_is_brought_up_to_date_once_and_keeps_what_it_has(postgres: Server) -> None:
    url = postgres.new_store()
    store = open_store(url)
    store.put_program(PROGRAM, b"code")
    expand = Migration(2, 1, 1, "ALTER TABLE flowmetal.run ADD COLUMN more text")
    contract = Migration(3, 1, 3, "ALTER TABLE flowmetal.run DROP COLUMN more")
    address = read_address(url)
    with connect(address) as connection:
        prepare(connection, address, (*migrations(), expand))
        prepare(connection, address, (*migrations(), expand))
        assert store.program(PROGRAM) == b"code"
        open_store(url).close()  # version 1 works beside version 2
        prepare(connection, address, (*migrations(), expand, contract))
    assert refusal(url).code == "FM1010"
    store.close()


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(postgres: Server) -> None:
    url = postgres.new_store()
    open_store(url).close()
    broken = Migration(2, 1, 1, "ALTER TABLE flowmetal.run ADD COLUMN more text; SELECT 1 / 0")
    address = read_address(url)
    with connect(address) as connection, pytest.raises(psycopg.errors.DivisionByZero):
        prepare(connection, address, (*migrations(), broken))
    store = open_store(url)
    store.create_run(new())
    store.close()


@pytest.mark.parametrize("change", ["head SET state = 'lost'", "run SET tags = '[1]'"])
def test_a_run_whose_row_is_damaged_says_so_and_is_in_nobody_s_way(
    postgres: Server, change: str
) -> None:
    with postgres.empty_store() as url:
        store = open_store(url)
        store.create_runs([new(RunId("bad")), new(RunId("good"))])
        claims = [take(store, RunId(run)) for run in ("bad", "good")]
        schema = url.rpartition("=")[2]
        where = f"number = (SELECT number FROM {schema}.run WHERE id = 'bad')"
        postgres.execute(f"UPDATE {schema}.{change} WHERE {where}")
        damaged, sound = store.load_all(claims)
        assert isinstance(damaged, StoreError)
        assert damaged.code == "FM1001"
        assert isinstance(sound, Loaded)
        with pytest.raises(StoreError) as refused:
            store.run(RunId("bad"))
        assert refused.value.code == "FM1001"
        store.close()
