"""The SQL of docs/helm.md creates roles with which telecine migrates, runs, serves pages and reads, and no more."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import psycopg.errors
import pytest
from sqlalchemy import make_url

from shared.database import check, upgrade
from shared.database._schema import GOLD, declared
from shared.database.connection import dispose
from shared.database.migrate import CONSOLE, CONSOLE_FUNCTIONS, READER, RIGHTS, console_rights
from tests.cli import ROOT
from tests.docs.blocks import find_blocks
from tests.postgres_server import Database, postgres  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

# The server of the tests has a database and a superuser named telecine.
NAME = "database_of_the_guide"
OWNER, WRITER = "telecine_owner", "role_of_the_guide"
ANALYST, STRANGER = "ann", "stranger"
ALL_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


def statements(containing: str) -> list[str]:
    """Return the statements of the SQL block of the guide that contains a text, with the names of this test."""
    page = "docs/helm.md"
    blocks = find_blocks(page, (ROOT / page).read_text(encoding="utf-8"))
    (text,) = (block.text for block in blocks if block.language == "sql" and containing in block.text)
    renamed = re.sub(r"\btelecine\b", WRITER, re.sub(r"\bDATABASE telecine\b", f"DATABASE {NAME}", text))
    return [each.strip() for each in renamed.split(";") if each.strip()]


@pytest.fixture(scope="module", params=["superuser", "administrator"])
def installed(request: pytest.FixtureRequest, postgres: str) -> Iterator[Database]:
    """Yield the database of the guide, as its owner sees it, after a migration."""
    server = Database("postgres", postgres)
    runs_it = server
    if request.param == "administrator":
        # The administrator of a managed PostgreSQL is not a superuser.
        server.rows("CREATE ROLE administrator LOGIN CREATEROLE CREATEDB")
        runs_it = Database("postgres", server.as_role("administrator"))
    roles = [OWNER, WRITER, CONSOLE, READER, ANALYST, STRANGER]
    try:
        for statement in statements(f"CREATE ROLE {OWNER}") + statements(f"IN ROLE {READER}"):
            runs_it.rows(statement)
        server.rows(f"CREATE ROLE {STRANGER} LOGIN")
        url = make_url(server.as_role(OWNER)).set(database=NAME)
        made = Database(NAME, url.render_as_string(hide_password=False))
        settings = made.settings(database_url=made.as_role(WRITER), database_migration_url=made.url)
        assert upgrade(settings).found is None
        assert upgrade(settings).found is not None
        yield made
    finally:
        dispose()
        server.rows(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        for role in [*roles, "administrator"]:
            server.rows(f"DROP ROLE IF EXISTS {role}")


def as_role(installed: Database, role: str) -> Database:
    return Database(NAME, installed.as_role(role))


def rights_of(installed: Database, role: str) -> dict[str, set[str]]:
    """Return what a role may do with each table and view of every schema that is not PostgreSQL's own."""
    found = installed.rows(
        "SELECT nspname || '.' || relname, kind FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace,"
        " unnest(%s::text[]) AS kind WHERE relkind IN ('r', 'p', 'v', 'm') AND nspname NOT LIKE 'pg\\_%%'"
        " AND nspname <> 'information_schema' AND has_table_privilege(%s, pg_class.oid, kind)"
        " AND has_schema_privilege(%s, n.oid, 'USAGE')",
        list(ALL_RIGHTS),
        role,
        role,
    )
    rights: dict[str, set[str]] = {}
    for name, kind in found:
        rights.setdefault(name, set()).add(kind)
    return rights


def functions_of(installed: Database, role: str) -> set[str]:
    return {
        name
        for name in declared().functions
        if installed.rows("SELECT has_function_privilege(%s, to_regprocedure(%s), 'EXECUTE')", role, name) == [(True,)]
    }


def test_each_role_has_the_rights_that_the_guide_lists(installed: Database):
    schema = declared()
    read_only = {name: {"SELECT"} for name in (*schema.views, "pipeline.environment", "pipeline.schema_version")}
    assert rights_of(installed, WRITER) == {name: set(RIGHTS) for name in schema.tables} | read_only
    assert functions_of(installed, WRITER) == set(schema.functions)
    assert rights_of(installed, CONSOLE) == {name: set(given) for name, given in console_rights().items()}
    assert functions_of(installed, CONSOLE) == set(CONSOLE_FUNCTIONS)
    gold = {name: {"SELECT"} for name in (*schema.tables, *schema.views) if name.startswith(f"{GOLD}.")}
    assert len(gold) > 5
    assert rights_of(installed, ANALYST) == rights_of(installed, READER) == gold
    assert functions_of(installed, ANALYST) == set()
    assert rights_of(installed, STRANGER) == {}


def test_runs_and_the_console_find_nothing_missing(installed: Database):
    for role in (WRITER, CONSOLE):
        assert check(installed.settings(database_url=installed.as_role(role))) == []


def test_a_run_writes_and_an_analyst_reads_what_is_published(installed: Database):
    writer, analyst = as_role(installed, WRITER), as_role(installed, ANALYST)
    writer.rows("INSERT INTO pipeline.runs (run_id, pipeline, status) VALUES (gen_random_uuid(), 'p', 'running')")
    # `merge` copies into a temporary table.
    writer.rows("CREATE TEMPORARY TABLE incoming (LIKE pipeline.runs)")
    assert writer.rows("DELETE FROM pipeline.runs WHERE pipeline = 'p' RETURNING status") == [("running",)]
    assert analyst.rows("SELECT count(*) FROM gold.gamedata_sessions") == [(0,)]
    for statement in (
        "SELECT count(*) FROM pipeline.runs",
        "DELETE FROM gold.gamedata_sessions",
        "CREATE TABLE gold.mine (a int)",
        "CREATE TABLE public.mine (a int)",
        "CREATE TEMPORARY TABLE mine (a int)",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            analyst.rows(statement)


@pytest.mark.parametrize("role", [WRITER, CONSOLE])
def test_only_the_owner_changes_the_schema(installed: Database, role: str):
    for statement in (
        "ALTER TABLE pipeline.runs ADD COLUMN mine int",
        "DROP TABLE gold.gamedata_sessions CASCADE",
        "CREATE TABLE gold.mine (a int)",
        "CREATE SCHEMA mine",
        f"DROP DATABASE {NAME}",
        f"SET ROLE {OWNER}",
    ):
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectInUse)):
            as_role(installed, role).rows(statement)
    # PostgreSQL only warns of a grant without any right.
    as_role(installed, role).rows(f"GRANT SELECT ON pipeline.runs TO {STRANGER}")
    assert rights_of(installed, STRANGER) == {}
    as_role(installed, OWNER).rows("BEGIN; ALTER TABLE pipeline.runs ADD COLUMN mine int; ROLLBACK")


def test_other_roles_of_the_server_cannot_connect(installed: Database):
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        as_role(installed, STRANGER).rows("SELECT 1")
