"""Lists, twins and errors of the console on a real database."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import csv
import io
import random
import socket
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import make_url

from jobs.console.app import create
from jobs.console.web import twins
from jobs.console.web.listing import Column, Listing, Order, Term
from jobs.console.web.paging import cursor_after, fetch
from jobs.console.web.query import ListQuery
from shared.errors import DatabaseUnreachable
from tests.console_app import BROWSER, ask, settings
from tests.postgres_server import _database, empty_database, postgres  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

HOSTILE = (
    '=HYPERLINK("http://evil.example")',
    "<script>alert(1)</script>",
    "-5",
    '"quoted",\nlines',
    "@x",
    "\u202egpj",
)


@pytest.fixture(scope="module")
def database(postgres: str) -> Iterator[Database]:
    with _database(postgres, "telecine") as made:
        for number, text in enumerate(HOSTILE):
            made.rows(
                "INSERT INTO pipeline.runs (run_id, pipeline, status, parameters, version, host, error_message,"
                " created_at, finished_at) VALUES (%s, 'gamedata', 'failed', '{}', '1', 'h', %s,"
                " now() - make_interval(mins => %s), now())",
                f"run-{number}",
                text,
                number,
            )
        yield made


@pytest.fixture(scope="module")
def app(database: Database) -> ASGIApp:
    return create(settings(database_url=database.url))


_ESCAPES = st.binary(max_size=3).map(lambda raw: "".join(f"%{byte:02x}" for byte in raw))
_PIECES = st.sampled_from(
    [*("status", "q", "after", "limit", "sort", "pipeline", "=", "&", "failed", "9" * 30, "+", ";")]
)
_VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=8)


@examples(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    query=st.lists(_PIECES | _ESCAPES | _VISIBLE, max_size=9).map("".join), twin=st.sampled_from(["", ".json", ".csv"])
)
def test_any_query_string_is_answered_or_a_400(app, query, twin):
    answer = ask(app, f"/runs{twin}?{query}", headers=BROWSER)
    assert answer.status in (200, 400), answer.text


@examples(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(path=_ESCAPES | _VISIBLE)
def test_any_run_id_is_not_found_or_a_400(app, path):
    assert ask(app, f"/runs/x{path}".partition("?")[0], headers=BROWSER).status in (400, 404)


class Walk(ListQuery):
    sort: Literal["", "down", "mixed", "float"] = ""


def _term(name: str, kind: str, *, descending: bool = False) -> Term:
    return Term(f'{name} COLLATE "C"' if kind == "text" else name, kind, descending)


WALK = Listing(
    path="/walk",
    title="Rows",
    select="at, n, f, k",
    source="walk",
    columns=tuple(Column(name, name) for name in ("at", "n", "f", "k")),
    orders=(
        Order("up", "", (_term("at", "timestamptz"), _term("n", "bigint"), _term("k", "text"))),
        Order("down", "", tuple(_term(*each, descending=True) for each in (("at", "timestamptz"), ("k", "text")))),
        Order("mixed", "", (_term("n", "bigint", descending=True), _term("at::date", "date"), _term("k", "text"))),
        Order("float", "", (_term("f", "double precision", descending=True), _term("k", "text"))),
    ),
    conditions=lambda _: [],
)


@pytest.fixture(scope="module")
def walked(database: Database) -> Database:
    """A table of rows with many equal values, and keys that need escapes."""
    chance = random.Random(17)
    database.rows("CREATE TABLE walk (at timestamptz NOT NULL, n bigint NOT NULL, f double precision NOT NULL, k text)")
    with database.connect() as connection:
        for number in range(120):
            connection.execute(
                "INSERT INTO walk VALUES (%s::timestamptz + make_interval(secs => %s), %s, %s, %s)",
                (
                    chance.choice(["2026-03-29 01:59:59.9+01", "1999-12-31", "0001-01-01 00:00:00+00"]),
                    chance.choice([0.0, 0.000001, 0.5, 86_400.0]),
                    chance.choice([0, -1, 2**63 - 1, -(2**63)]),
                    chance.choice([0.1, 1e-300, -0.0, 1e300, float("inf"), float("nan"), 1 / 3]),
                    chance.choice(["", "a", "\u00fc", "\U0001f3ac", "'\"\\", "%_", "\x01\n"]) + f"{number:03d}",
                ),
            )
    return database


@pytest.mark.parametrize("sort", ["", "down", "mixed", "float"])
@pytest.mark.parametrize("limit", [1, 7, 120])
def test_pages_have_each_row_once_and_in_order(app, walked, sort, limit):
    def float_key(value: float) -> tuple[bool, float]:
        # PostgreSQL: NaN is the highest number.
        return (value != value, 0.0 if value != value else value)  # noqa: PLR0124 - only NaN differs from itself

    key: Any = {
        "": lambda row: (row.at, row.n, row.k.encode()),
        "down": lambda row: (row.at, row.k.encode()),
        "mixed": lambda row: (-row.n, row.at.date(), row.k.encode()),
        "float": lambda row: row.k.encode(),
    }[sort]
    query = Walk(sort=sort, limit=limit)
    found: list[Any] = []
    with app.app.state.console.database.read() as session:
        session.rows("SELECT set_config('TimeZone', 'UTC', true)")
        everything = session.rows("SELECT at, n, f, k FROM walk")
        while True:
            page = fetch(session, WALK, query)
            found += page.rows
            assert len(page.rows) == limit or page.after is None
            if page.after is None:
                break
            assert cursor_after(session, WALK, query, limit) == page.after
            # As a browser would send it.
            (after,) = parse_qs(urlsplit(query.url("/walk", after=page.after)).query)["after"]
            query = Walk.model_validate({"sort": sort, "limit": limit, "after": after})
        assert cursor_after(session, WALK, Walk(sort=sort), 120) is None
    expected = sorted(everything, key=key, reverse=sort == "down")
    if sort == "float":
        expected.sort(key=lambda row: float_key(row.f), reverse=True)
        # A reversed sort is stable: equal numbers stay in the order of their keys.
    assert [row.k for row in found] == [row.k for row in expected]


def rows_of(answer: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO(answer.body.decode("utf-8-sig"), newline="")))


def test_hostile_text_is_data_in_pages_and_twins(app):
    page = ask(app, "/runs", headers=BROWSER)
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    assert "\u202e" not in page.text
    data = ask(app, "/runs.json")
    assert data.header("content-type") == "application/json"
    assert [row["error_message"] for row in data.json()["rows"]] == list(HOSTILE)
    text = ask(app, "/runs.csv")
    assert text.header("content-type") == "text/csv; charset=utf-8"
    assert text.header("content-disposition") == 'attachment; filename="runs.csv"'
    assert text.header("link") is None
    assert text.body.startswith("\ufeffrun_id,pipeline,".encode())
    assert [row[-1] for row in rows_of(text)[1:]] == [
        *("'" + HOSTILE[0], HOSTILE[1], "'-5", HOSTILE[3], "'@x", r"\u202egpj")
    ]


def test_a_csv_file_that_is_cut_off_at_the_cap_says_so_and_links_to_the_rest(app, monkeypatch):
    monkeypatch.setattr(twins, "CSV_ROWS", 4)
    monkeypatch.setattr(twins, "_AT_ONCE", 3)
    first = ask(app, "/runs.csv?sort=oldest&status=failed")
    assert first.header("content-disposition") == 'attachment; filename="runs-first-4-rows.csv"'
    link, relation = (first.header("link") or "").split("; ")
    assert relation == 'rel="next"'
    rest = ask(app, link.strip("<>"))
    assert rest.header("content-disposition") == 'attachment; filename="runs.csv"'
    assert rest.header("link") is None
    found = [row[0] for row in (*rows_of(first)[1:], *rows_of(rest)[1:])]
    assert found == [f"run-{number}" for number in (5, 4, 3, 2, 1, 0)]


def test_a_csv_file_of_exactly_the_cap_is_whole(app, monkeypatch):
    monkeypatch.setattr(twins, "CSV_ROWS", 6)
    monkeypatch.setattr(twins, "_AT_ONCE", 3)
    answer = ask(app, "/runs.csv")
    assert answer.header("link") is None
    assert len(rows_of(answer)) == 7


def test_a_csv_file_that_fails_midway_is_cut_off_and_logged(app, monkeypatch, caplog):
    monkeypatch.setattr(twins, "_AT_ONCE", 2)
    calls = []

    def failing(*given_: Any, **values: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise DatabaseUnreachable("it went away")
        return fetch(*given_, **values)

    monkeypatch.setattr(twins, "fetch", failing)
    answer = ask(app, "/runs.csv")
    assert (answer.status, answer.complete) == (200, False)
    assert len(rows_of(answer)) == 3
    (record,) = [each for each in caplog.records if "cut off" in each.getMessage()]
    assert record.request == answer.header("x-request-id")
    calls.clear()
    zipped = ask(app, "/runs.csv", headers={"accept-encoding": "gzip"})
    assert not zipped.complete


def test_a_csv_file_whose_first_query_fails_is_an_error(app, monkeypatch):
    def failing(*_: Any, **__: Any) -> Any:
        raise DatabaseUnreachable("it went away")

    monkeypatch.setattr(twins, "fetch", failing)
    answer = ask(app, "/runs.csv")
    assert (answer.status, answer.code, answer.complete) == (503, "database_unreachable", True)


def test_a_slow_statement_is_503(database):
    app = create(settings(database_url=database.url, statement_timeout_s=0.2))
    with database.connect() as connection, connection.transaction():
        connection.execute("LOCK TABLE pipeline.runs IN ACCESS EXCLUSIVE MODE")
        page, data = ask(app, "/runs", headers=BROWSER), ask(app, "/runs.csv")
    assert (page.status, page.header("retry-after")) == (503, "5")
    assert "narrow the filters" in page.text
    assert (data.status, data.header("retry-after")) == (503, "5")
    assert ask(app, "/runs", headers=BROWSER).status == 200


def test_pages_cannot_write(app, database):
    with pytest.raises(Exception, match="read-only transaction"), app.app.state.console.database.read() as session:
        session.run("DELETE FROM pipeline.runs")
    assert database.rows("SELECT count(*) FROM pipeline.runs") == [(6,)]


def test_without_its_tables_a_page_is_not_installed(empty_database):
    app = create(settings(database_url=empty_database.url))
    page = ask(app, "/runs", headers=BROWSER)
    assert page.status == 404
    assert "Not installed" in page.text
    assert "telecine db upgrade" in page.text
    ready = ask(app, "/readyz")
    assert (ready.status, ready.json()["code"]) == (503, "database_not_migrated")


class Wire:
    """A TCP port in front of the server's socket, that can be cut and joined again."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.port = 0
        self.open: list[socket.socket] = []

    @contextmanager
    def joined(self) -> Iterator[None]:
        with closing(socket.create_server(("127.0.0.1", self.port))) as listener:
            self.port = listener.getsockname()[1]
            acceptor = threading.Thread(target=self._accept, args=(listener,), daemon=True)
            acceptor.start()
            try:
                yield
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                acceptor.join()
                for each in self.open:
                    with closing(each):
                        each.shutdown(socket.SHUT_RDWR)
                self.open.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self.target)
            self.open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(one, other), daemon=True).start()


def _pump(one: socket.socket, other: socket.socket) -> None:
    try:
        while data := one.recv(65_536):
            other.sendall(data)
    except OSError:
        pass


def test_a_database_that_comes_back_is_used_without_a_restart(database):
    url = make_url(database.url)
    wire = Wire(f"{url.query['host']}/.s.PGSQL.{url.port or 5432}")

    def status(app: ASGIApp) -> tuple[int, int]:
        return ask(app, "/runs", headers=BROWSER).status, ask(app, "/readyz").status

    with wire.joined():
        through = url.set(host="127.0.0.1", port=wire.port).difference_update_query(["host"])
        app = create(settings(database_url=through.render_as_string(hide_password=False)))
        assert status(app) == (200, 200)
    assert status(app) == (503, 503)
    assert "telecine_console_database_up 0.0" in ask(app, "/metrics").text
    with wire.joined():
        assert status(app) == (200, 200)
    assert "telecine_console_database_up 1.0" in ask(app, "/metrics").text
