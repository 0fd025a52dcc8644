"""Transactions for pipelines: what they read, write, lock and undo, and what their errors are."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from shared.database import connection as connections
from shared.database.connection import dispose, engine
from shared.database.session import retry_session, transaction
from shared.errors import (
    ConfigurationError,
    DatabaseNotMigrated,
    DatabaseUnreachable,
    TelecineError,
    TransientError,
)
from tests.postgres_server import made_database, postgres, until  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.database.session import DatabaseSession
    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

TABLE = "CREATE TABLE public.kept (id bigint PRIMARY KEY, words text[], part numeric(4, 3), name text)"
COLUMNS = ("id", "words", "part", "name")


NARROW = "CREATE TABLE public.narrow (id integer PRIMARY KEY CHECK (id > 0), name text)"


@pytest.fixture(scope="module")
def with_tables(postgres: str) -> Iterator[Database]:
    with made_database(postgres) as made:
        made.rows(f"{TABLE}; {NARROW}")
        yield made


@pytest.fixture
def database(with_tables: Database) -> Database:
    """A database with two empty tables."""
    with_tables.rows("TRUNCATE public.kept, public.narrow")
    return with_tables


def kept(database: Database) -> list[int]:
    return [row[0] for row in database.rows("SELECT id FROM public.kept ORDER BY id")]


def put(session: DatabaseSession, number: int) -> int:
    return session.run("INSERT INTO public.kept (id) VALUES (:number) ON CONFLICT DO NOTHING", number=number)


def test_rows_have_names_and_statements_say_what_they_touched(database: Database):
    with transaction(database.settings()) as session:
        assert [put(session, number) for number in (1, 2, 2)] == [1, 1, 0]
        assert session.run("UPDATE public.kept SET words = :words", words=["a", 'b "c", {d}']) == 2
        rows = session.rows(
            "SELECT id, words, CAST(:statement AS jsonb) -> 'a' AS a, now()::text IS NULL AS none FROM public.kept"
            " WHERE id = ANY (:ids)",
            statement='{"a": [1]}',
            ids=[2, 3],
        )
    (row,) = rows
    assert (row.id, row.words, row.a, row.none) == (2, ["a", 'b "c", {d}'], [1], False)
    assert kept(database) == [1, 2]


def test_copy_keeps_every_value_as_it_is(database: Database):
    rows = [
        (2**63 - 1, ["p_1", "", "NULL", 'tab\t"{,}\\'], Decimal("0.871"), "é\n\\N"),
        (2, [], None, None),
        (3, None, Decimal("1.000"), ""),
    ]
    with transaction(database.settings()) as session:
        assert session.copy("public.kept", COLUMNS, iter(rows)) == 3
        assert session.copy("public.kept", COLUMNS, []) == 0
        found = session.rows("SELECT * FROM public.kept ORDER BY id DESC")
    assert sorted(map(tuple, found)) == sorted(rows)


def broken_rows() -> Iterator[tuple[Any, ...]]:
    yield (2, [], None, None)
    raise KeyError("row")


def test_what_is_raised_undoes_all(database: Database):
    def late(session: DatabaseSession) -> None:
        session.copy("public.kept", COLUMNS, [(2, [], None, None)])
        raise KeyError("late")

    def within(session: DatabaseSession) -> None:
        session.copy("public.kept", COLUMNS, broken_rows())

    for work, words in ((late, "late"), (within, "row")):
        with pytest.raises(KeyError, match=words), transaction(database.settings()) as session:
            work(session)
    assert kept(database) == []


def test_a_lock_is_held_until_the_end(database: Database):
    entered, order = threading.Event(), []

    def other() -> None:
        with transaction(database.settings()) as session:
            entered.set()
            session.lock("a")
            order.append(len(session.rows("SELECT id FROM public.kept")))

    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
    with transaction(database.settings()) as session:
        session.lock("a")
        session.lock("a")
        thread = threading.Thread(target=other)
        thread.start()
        assert entered.wait(20)
        until(lambda: database.rows(waiting))
        with transaction(database.settings()) as third:
            third.lock("b")
        put(session, 1)
        order.append("end")
    thread.join(20)
    # The other one sees what was committed while it waited.
    assert order == ["end", 1]


SECRET = "a title that no log may show"
FAILING = {
    "a constraint": lambda session: session.run("INSERT INTO public.narrow (id, name) VALUES (-1, :name)", name=SECRET),
    "a key": lambda session: [session.run("INSERT INTO public.narrow VALUES (1, :name)", name=SECRET) for _ in "12"],
    "COPY": lambda session: session.copy("public.narrow", ("id", "name"), [(1, "x"), (-1, SECRET)]),
    "COPY of bytes": lambda session: session.copy_bytes(
        "public.narrow", ("id", "name"), [f"1,x\n-1,{SECRET}\n".encode()]
    ),
    "JSON": lambda session: session.rows("SELECT CAST(:text AS jsonb)", text=f'{{"{SECRET}": "\\ud800"}}'),
}


def fail(database: Database, name: str, *, inside: bool) -> None:
    with transaction(database.settings()) as session, session.savepoint() if inside else nullcontext():
        FAILING[name](session)


@pytest.mark.parametrize("name", FAILING)
@pytest.mark.parametrize("inside", [False, True], ids=["in a transaction", "in a savepoint"])
def test_no_error_quotes_a_row(database: Database, name: str, inside: bool):
    with pytest.raises(Exception, match=r"violates|invalid input syntax for type json") as caught:
        fail(database, name, inside=inside)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_errors_are_ours(database: Database):
    settings = database.settings()
    with pytest.raises(DatabaseNotMigrated, match=r"public\.nowhere"), transaction(settings) as session:
        session.copy("public.nowhere", ("id",), [(1,)])
    with pytest.raises(DatabaseUnreachable, match=r"127\.0\.0\.1:1"):  # noqa: SIM117 - the first of the two raises
        with transaction(database.settings(database_url="postgresql://u@127.0.0.1:1/x")):
            pytest.fail("there is no server")
    database.rows("CREATE ROLE narrow LOGIN")
    try:
        narrow = database.settings(database_url=database.as_role("narrow"))
        with pytest.raises(ConfigurationError, match="permission denied") as caught, transaction(narrow) as session:
            put(session, 1)
        assert caught.value.code == "database_rights"
    finally:
        dispose()
        database.rows("DROP ROLE narrow")


@pytest.mark.parametrize("moment", ["statement", "copy", "commit"])
def test_a_connection_that_is_lost(database: Database, moment: str):
    def lose() -> Iterator[tuple[Any, ...]]:
        yield (2, [], None, None)
        database.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        # More than fits in the buffers: the server's end is noticed while it is written.
        yield from ((number, [], None, "x" * 10_000) for number in range(3, 3000))

    def work(session: DatabaseSession) -> None:
        put(session, 1)
        if moment == "copy":
            session.copy("public.kept", COLUMNS, lose())
        next(rows := lose())
        next(rows)
        if moment == "statement":
            put(session, 2)

    settings = database.settings()
    with pytest.raises(DatabaseUnreachable, match="does not answer"), transaction(settings) as session:
        work(session)
    assert kept(database) == []
    with transaction(settings) as session:
        put(session, 3)
    assert kept(database) == [3]


def test_what_passes_is_tried_again(database: Database, caplog: pytest.LogCaptureFixture):
    tried: list[int] = []

    def twice(session: DatabaseSession) -> str:
        tried.append(put(session, 1))
        if len(tried) < 3:
            raise TransientError("not yet")
        return "done"

    assert retry_session(database.settings(), twice, 20, waiting="the test") == "done"
    # Each attempt starts over: the writes of the previous one are rolled back.
    assert tried == [1, 1, 1]
    assert kept(database) == [1]
    assert "the test waits: not yet" in caplog.text


def test_what_does_not_pass_ends(database: Database):
    tried: list[int] = []

    def never(session: DatabaseSession) -> None:
        tried.append(put(session, len(tried)))
        raise TransientError("never")

    def wrong(session: DatabaseSession) -> None:
        tried.append(-1)
        session.rows("SELECT * FROM public.nowhere")

    with pytest.raises(TransientError, match="never"):
        retry_session(database.settings(), never, 0, waiting="the test")
    assert len(tried) == 1
    with pytest.raises(TransientError, match="never"):
        retry_session(database.settings(), never, 0.2, waiting="the test")
    assert len(tried) > 2
    tried.clear()
    with pytest.raises(DatabaseNotMigrated):
        retry_session(database.settings(), wrong, 20, waiting="the test")
    assert tried == [-1]
    assert kept(database) == []


def test_no_free_connection_passes(database: Database, monkeypatch: pytest.MonkeyPatch):
    settings = database.settings()
    pool: Any = engine(settings).pool
    monkeypatch.setattr(pool, "_timeout", 0.05)
    monkeypatch.setattr(pool, "_max_overflow", 0)
    with ExitStack() as stack:
        for _ in range(pool.size()):
            stack.enter_context(transaction(settings))
        with pytest.raises(TransientError, match="are in use") as caught, transaction(settings):
            pytest.fail("there was one more")
    assert caught.value.code == "database_busy"


def test_threads_share_one_engine(database: Database, monkeypatch: pytest.MonkeyPatch):
    dispose()
    create, barrier = connections._create, threading.Barrier(2)

    def both_at_once(url: str, pooled: bool) -> Any:
        barrier.wait(20)
        return create(url, pooled)

    monkeypatch.setattr(connections, "_create", both_at_once)
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: engine(database.settings()), range(2))
    assert first is second


def test_a_savepoint_undoes_only_itself(database: Database):
    def fails(session: DatabaseSession, number: int, statement: str) -> None:
        with session.savepoint():
            put(session, number)
            session.rows(statement)

    def raises(session: DatabaseSession) -> None:
        with session.savepoint():
            put(session, 4)
            raise KeyError("row")

    with transaction(database.settings()) as session:
        put(session, 1)
        with pytest.raises(TelecineError, match="division by zero") as raised:
            fails(session, 2, "SELECT 1 / 0")
        with session.savepoint():
            put(session, 3)
            with pytest.raises(KeyError):
                raises(session)
    assert (raised.value.code, raised.value.data["sqlstate"]) == ("statement_failed", "22012")
    assert kept(database) == [1, 3]


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT * FROM public.absent", DatabaseNotMigrated),
        ("SELECT pg_sleep(5)", TransientError),
        ("SELECT pg_terminate_backend(pg_backend_pid())", DatabaseUnreachable),
    ],
)
def test_a_savepoint_does_not_hide_what_ends_the_transaction(
    database: Database, statement: str, error: type[Exception]
):
    def run() -> None:
        with transaction(database.settings()) as session:
            session.run("SET LOCAL statement_timeout = 20")
            put(session, 1)
            with session.savepoint():
                session.rows(statement)

    with pytest.raises(error):
        run()
    assert kept(database) == []


def test_copied_bytes_may_be_cut_anywhere(database: Database):
    body = b'1,"{a,""b c""}",0.5,"x\n"",y"\n2,,,\n3,{},1,""\n'
    with transaction(database.settings()) as session:
        assert session.copy_bytes("public.kept", COLUMNS, (body[at : at + 5] for at in range(0, len(body), 5))) == 3
        assert session.copy_bytes("public.kept", COLUMNS, []) == 0
        found = session.rows("SELECT * FROM public.kept ORDER BY id")
    assert list(map(tuple, found)) == [
        (1, ["a", "b c"], Decimal("0.500"), 'x\n",y'),
        (2, None, None, None),
        (3, [], Decimal("1.000"), ""),
    ]


def test_bytes_that_do_not_fit_are_undone_by_their_savepoint(database: Database):
    def fails(session: DatabaseSession) -> None:
        with session.savepoint():
            session.copy_bytes("public.kept", COLUMNS, [b"1,,,\n2,,,,,\n"])

    with transaction(database.settings()) as session:
        with pytest.raises(TelecineError, match="extra data") as raised:
            fails(session)
        assert raised.value.code == "statement_failed"
        put(session, 5)
    assert kept(database) == [5]


def test_statements_are_logged_at_debug_without_their_values(database: Database, caplog: pytest.LogCaptureFixture):
    caplog.set_level("DEBUG", "shared.database.session")
    with transaction(database.settings()) as session:
        session.run("INSERT INTO public.kept\n (id, name) VALUES (1, :name)", name="a value")
        session.copy("public.kept", ("id", "name"), [(2, "a value"), (3, "a value")])
        session.copy_bytes("public.kept", ("id", "name"), [b"4,a value\n"])
        session.rows("SELECT id FROM public.kept WHERE name = :name", name="a value")
        with pytest.raises(TelecineError), session.savepoint():
            session.run("INSERT INTO public.kept (id) VALUES (:id)", id=1)
    logged = [record.getMessage().rpartition(", ")[0] for record in caplog.records]
    assert logged == [
        "INSERT INTO public.kept (id, name) VALUES (1, :name): 1 rows",
        "COPY public.kept (id, name) FROM STDIN: 2 rows",
        "COPY public.kept (id, name) FROM STDIN (FORMAT csv): 1 rows",
        "SELECT id FROM public.kept WHERE name = :name: 4 rows",
        "INSERT INTO public.kept (id) VALUES (:id): failed",
    ]
    assert "a value" not in caplog.text
