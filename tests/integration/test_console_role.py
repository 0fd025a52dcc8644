"""The database role of the console: it serves every page, writes the console's own tables, and nothing else."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import asyncio
import http.server
import json
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import psycopg.errors
import pytest

from jobs.console.access import sessions, tokens
from jobs.console.app import create
from jobs.console.settings import ConsoleSettings
from jobs.diagnosis import doctor
from shared.database import check, upgrade
from shared.database._schema import declared
from shared.database.connection import dispose
from shared.database.migrate import CONSOLE, CONSOLE_FUNCTIONS, READER
from shared.database.session import transaction
from shared.doctor.settings import DoctorSettings
from tests.console_app import BROWSER, ask, post
from tests.postgres_server import Database, database, postgres  # noqa: F401
from tests.viewership_rows import catalogue, reconciled, row, upload

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

OWN = {name for name in declared().tables if name.startswith("console.")}
OTHERS = [name for name in (*declared().tables, "pipeline.environment") if name not in OWN]


@pytest.fixture
def migrated(database: Database) -> Iterator[Database]:
    """A database with the role, as an operator creates it."""
    database.rows(f"CREATE ROLE {CONSOLE} LOGIN")
    try:
        upgrade(database.settings())
        yield database
    finally:
        dispose()
        database.rows(f"DROP OWNED BY {CONSOLE}")
        database.rows(f"DROP ROLE {CONSOLE}")


def url_of(database: Database) -> str:
    return database.as_role(CONSOLE).replace("postgresql+psycopg:", "postgresql:")


def look(**values: Any) -> dict[str, dict[str, Any]]:
    text, _ = doctor(DoctorSettings(format="json", read_buckets=(), write_buckets=(), cluster=False, **values))
    return {line["name"]: line for line in json.loads(text)["lines"] if line["area"] == "console"}


async def _visit(settings: ConsoleSettings, token: str) -> None:
    transport = httpx.ASGITransport(create(settings))
    async with httpx.AsyncClient(transport=transport, base_url="https://c.example") as client:
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/runs.json")).status_code == 401
        pages = ("/", "/review", "/review?view=list", "/review/history", "/runs", "/runs.json", "/runs.csv", "/uploads")
        for path in (*pages, "/uploads.csv", "/search?q=1", "/matching", "/episodes", "/persons", "/titles", "/slos"):
            answer = await client.get(path, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 200, (path, answer.text)
        form = {"token": token, "next": "/"}
        assert (await client.post("/login", data=form, headers={"Sec-Fetch-Site": "same-origin"})).status_code == 303
        assert client.cookies[sessions.COOKIE]
        assert (await client.get("/runs")).status_code == 200


def test_the_console_works_with_its_role(migrated: Database):
    url = migrated.as_role(CONSOLE)
    settings = ConsoleSettings(database_url=url, access="token", public_url="https://c.example")
    assert check(settings) == []
    with transaction(settings) as session:
        token = tokens.issue(session, "ann", "viewer", 1)
    asyncio.run(_visit(settings, token))
    with transaction(settings) as session:
        assert tokens.revoke(session, "ann") == 1


def test_the_role_reads_every_table_and_view(migrated: Database):
    console = Database("", migrated.as_role(CONSOLE))
    for name in (*declared().tables, *declared().views):
        assert console.rows(f"SELECT count(*) FROM (SELECT FROM {name} LIMIT 1) AS found"), name


def test_the_role_cannot_change_what_the_audit_log_has(migrated: Database):
    migrated.rows(f"GRANT UPDATE, DELETE ON console.audit TO {CONSOLE}")
    upgrade(migrated.settings())
    with psycopg.connect(url_of(migrated), autocommit=True) as connection:
        connection.execute("INSERT INTO console.audit (actor, role, action, subject) VALUES ('a', 'viewer', 'b', 'c')")
        for statement in ("UPDATE console.audit SET actor = 'eve'", "DELETE FROM console.audit"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_the_role_writes_no_table_of_a_pipeline(migrated: Database):
    assert len(OTHERS) > 20
    columns = dict(
        migrated.rows("SELECT attrelid::regclass::text, min(attname) FROM pg_attribute WHERE attnum > 0 GROUP BY 1")
    )
    with psycopg.connect(url_of(migrated), autocommit=True) as connection:
        for name in OTHERS:
            for statement in (
                f"INSERT INTO {name} DEFAULT VALUES",
                f'UPDATE {name} SET "{columns[name]}" = NULL WHERE false',
                f"DELETE FROM {name} WHERE false",
                f"TRUNCATE {name}",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)


def test_the_role_decides_by_functions_alone(migrated: Database):
    catalogue(migrated)
    upload(migrated, [row("The Quiet Harvst Moon", "2", series="Harbour Lights")])
    # The owner of the tables may be another role than the one that decides.
    console = Database("", migrated.as_role(CONSOLE))
    app = create(ConsoleSettings(database_url=migrated.as_role(CONSOLE)))
    seen = re.search(r'name="seen" value="(.*?)"', ask(app, "/review", headers=BROWSER).text)
    key = migrated.rows("SELECT encode(review_digest, 'hex') FROM console.review_keys")[0][0]
    wanted = migrated.rows("SELECT id FROM catalog.episodes WHERE ref_id = 'HL-0102'")[0][0]
    assert seen is not None
    fields = {"action": "accept", "episode": str(wanted), "seen": seen[1]}
    assert post(app, f"/review?key={key}", fields).status == 303
    assert migrated.rows("SELECT decided_role FROM viewership.decisions") == [(CONSOLE,)]
    assert migrated.rows("SELECT count(*) FROM viewership.episode_details") == [(1,)]
    assert post(app, "/review/history", {"decision": "1"}).status == 303
    assert migrated.rows("SELECT count(*) FROM viewership.episode_details") == [(0,)]
    for function in set(declared().functions) - set(CONSOLE_FUNCTIONS):
        assert console.rows("SELECT has_function_privilege(to_regprocedure(%s), 'EXECUTE')", function) == [(False,)]
    reconciled(migrated)


def test_the_role_changes_no_schema(migrated: Database):
    with psycopg.connect(url_of(migrated), autocommit=True) as connection:
        for statement in (
            "DROP TABLE console.tokens",
            "ALTER TABLE console.audit DROP COLUMN actor",
            *(f"CREATE TABLE {schema}.mine (a int)" for schema in declared().schemas),
            f"CREATE SCHEMA mine AUTHORIZATION {CONSOLE}",
            "COMMENT ON TABLE pipeline.runs IS NULL",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_without_the_role_an_upgrade_grants_nothing_and_check_asks_for_nothing(database: Database):
    assert check(database.settings()) == []
    assert look(database_url=database.url) == {}


def test_doctor_names_missing_and_excess_rights(migrated: Database, monkeypatch):
    assert look(database_url=migrated.url)["role"]["status"] == "ok"
    migrated.rows(f"REVOKE SELECT ON pipeline.runs FROM {CONSOLE}")
    found = look(database_url=migrated.url)["role"]
    assert (found["status"], found["said"]) == ("fail", f"role '{CONSOLE}' lacks SELECT on pipeline.runs")
    assert "db upgrade" in found["todo"]
    upgrade(migrated.settings())
    migrated.rows("GRANT DELETE ON gold.gamedata_sessions TO PUBLIC")
    found = look(database_url=migrated.url)["role"]
    assert found["said"] == f"role '{CONSOLE}' has DELETE on gold.gamedata_sessions, which no page needs"
    migrated.rows("REVOKE DELETE ON gold.gamedata_sessions FROM PUBLIC")
    migrated.rows(f"REVOKE EXECUTE ON FUNCTION {CONSOLE_FUNCTIONS[2]} FROM {CONSOLE}")
    assert (
        look(database_url=migrated.url)["role"]["said"] == f"role '{CONSOLE}' lacks EXECUTE on {CONSOLE_FUNCTIONS[2]}"
    )
    upgrade(migrated.settings())
    migrated.rows("GRANT EXECUTE ON FUNCTION viewership.lock_final(text[]) TO PUBLIC")
    found = look(database_url=migrated.url)["role"]
    assert found["said"] == f"role '{CONSOLE}' has EXECUTE on viewership.lock_final(text[]), which no page needs"


def test_doctor_knows_how_users_get_in(database: Database, monkeypatch):
    monkeypatch.setenv("TELECINE_CONSOLE_ACCESS", "proxy")
    found = look(database_url=database.url)
    assert found["access"]["status"] == "fail"
    assert "--trusted-proxies" in found["access"]["said"]
    assert (found["role"]["status"], found["role"]["said"]) == ("warn", f"the database has no role {CONSOLE}")
    monkeypatch.setenv("TELECINE_CONSOLE_TRUSTED_PROXIES", "10.0.0.0/8")
    assert look(database_url=database.url)["access"]["status"] == "ok"
    monkeypatch.delenv("TELECINE_CONSOLE_ACCESS")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    found = look(database_url=database.url)["access"]
    assert (found["status"], found["retryable"]) == ("fail", False)
    assert "expected proxy or token" in found["said"]


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "body", "expected", "said"),
    [
        (200, b'{"status": "ready"}', ("ok", False), "ready"),
        (503, b'{"status": "unavailable", "code": "database_unreachable"}', ("fail", True), "database_unreachable"),
        (200, b"<html>", ("fail", False), "is not a console"),
        (404, b"[]", ("fail", False), "answers 404"),
    ],
)
def test_doctor_asks_the_console_whether_it_is_ready(status, body, expected, said):
    with answering(status, body) as url:
        # Nothing listens at port 1: findings about the role are left to the area of the database.
        (found,) = look(database_url="postgresql://u@127.0.0.1:1/x", console_url=url).values()
    assert (found["status"], found["retryable"]) == expected
    assert said in found["said"]


def test_a_console_that_cannot_be_reached_may_come_back():
    (found,) = look(database_url="postgresql://u@127.0.0.1:1/x", console_url="http://127.0.0.1:1").values()
    assert (found["status"], found["retryable"]) == ("fail", True)


def test_the_reader_cannot_read_tokens(database: Database):
    database.rows(f"CREATE ROLE {READER} LOGIN")
    try:
        upgrade(database.settings())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            Database("", database.as_role(READER)).rows("SELECT * FROM console.tokens")
    finally:
        dispose()
        database.rows(f"DROP OWNED BY {READER}")
        database.rows(f"DROP ROLE {READER}")
