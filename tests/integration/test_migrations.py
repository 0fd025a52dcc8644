"""Migrations against a real server: forward, twice, at once, and every way a database can be wrong."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import shared.database
from docs.generate import DATABASE_PAGE, ROOT, catalog, tables
from shared.database import _binaries, check, embedded, upgrade
from shared.database._schema import HEAD, SCHEMA, VERSION_TABLE, declared
from shared.database._state import scalar
from shared.database.commands import check as check_command
from shared.database.commands import upgrade as upgrade_command
from shared.database.commands import url as url_command
from shared.database.connection import dispose, engine
from shared.database.ledger_tables import STATUSES, metadata
from shared.database.migrate import ready
from shared.errors import ConfigurationError, DatabaseNotMigrated, DatabaseUnreachable, WrongEnvironment
from shared.settings import StepSettings
from tests.postgres_server import (  # noqa: F401
    Database,
    database,
    empty_database,
    postgres,
    reachable_folder,
    until,
)

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

UPGRADE = """
import sys
from shared.database import upgrade
from shared.settings import StepSettings
print(upgrade(StepSettings(database_url=sys.argv[1])).found)
"""


def test_head_is_the_last_migration():
    config = Config()
    config.set_main_option("script_location", str(Path(shared.database.__file__).with_name("migrations")))
    script = ScriptDirectory.from_config(config)
    assert script.get_heads() == [HEAD]
    assert all(revision.revision.isdigit() for revision in script.walk_revisions())


def test_migrations_declare_every_table_and_view_that_they_create(empty_database: Database):
    upgrade(empty_database.settings())
    created = empty_database.rows(
        "SELECT n.nspname || '.' || c.relname, c.relkind = 'v' FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname <> 'information_schema'"
        " AND n.nspname NOT LIKE 'pg\\_%%' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    )
    # The run-time role only reads these two.
    read_only = {f"{SCHEMA}.environment", f"{SCHEMA}.{VERSION_TABLE}"}
    assert {name for name, is_view in created if not is_view} - read_only == set(declared().tables)
    assert {name for name, is_view in created if is_view} == set(declared().views)
    assert set(declared().schemas) == {name.partition(".")[0] for name, _ in created}


def test_upgrade_from_empty_and_again(empty_database: Database):
    settings = empty_database.settings(database_environment="staging")
    assert upgrade(settings).found is None
    assert upgrade(settings).found == HEAD
    assert check(settings) == []
    assert empty_database.rows("SELECT name FROM pipeline.environment") == [("staging",)]
    assert "already" in upgrade_command(settings)


def test_the_page_of_tables_is_that_of_a_migrated_database(database: Database):
    with engine(database.settings()).connect() as connection:
        page = tables(catalog(connection))
    assert (ROOT / DATABASE_PAGE).read_text(encoding="utf-8") == page, "run `make docs` and commit what it writes"


def test_the_oldest_server_that_serves(monkeypatch: pytest.MonkeyPatch):
    # The newest is what all other tests use.
    found = [folder for folder in _binaries._candidates() if folder.parent.name == str(_binaries.OLDEST)]
    if not found:
        pytest.skip("no other postgres on this machine: none of version 15")
    monkeypatch.setattr(_binaries, "_candidates", lambda: found)
    with reachable_folder() as folder:
        settings = StepSettings(database_url=embedded.ensure(folder, {"fsync": "off"}))
        try:
            assert upgrade(settings).found is None
            assert check(settings) == []
            with engine(settings).connect() as connection:
                assert scalar(connection, "SHOW server_version").startswith(f"{_binaries.OLDEST}.")
        finally:
            dispose()
            embedded.release(folder)
            until(lambda: not (folder / "postgres" / "run" / ".s.PGSQL.5432").exists())


def test_upgrades_at_once_wait_for_each_other(empty_database: Database):
    processes = [
        subprocess.Popen([sys.executable, "-c", UPGRADE, empty_database.url], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    found = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert found == [HEAD, "None"]
    assert check(empty_database.settings()) == []


def test_a_failed_upgrade_leaves_nothing(empty_database: Database):
    # One of the migration's tables already exists: its very last statement fails.
    empty_database.rows("CREATE SCHEMA pipeline")
    empty_database.rows("CREATE TABLE pipeline.item_errors (item text)")
    with pytest.raises(Exception, match="item_errors"):
        upgrade(empty_database.settings())
    tables = empty_database.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'pipeline'")
    assert tables == [("item_errors",)]


def test_tables_are_those_of_the_migrations(database: Database):
    with engine(database.settings()).connect() as connection:

        def ours(name: str | None, kind: str, _parents: object) -> bool:
            return name == "pipeline" if kind == "schema" else name != "schema_version"

        context = MigrationContext.configure(connection, opts={"include_schemas": True, "include_name": ours})
        differences = [change for change in compare_metadata(context, metadata) if change[0] != "remove_index"]
    assert differences == []


def test_statuses_are_those_of_the_database(database: Database):
    for number, status in enumerate(STATUSES):
        finished = None if status in {"pending", "running"} else "now"
        database.rows(
            "INSERT INTO pipeline.runs (run_id, pipeline, status, finished_at) VALUES (%s, 'p', %s, %s)",
            f"run-{number}",
            status,
            finished,
        )
    with pytest.raises(Exception, match="check constraint"):
        database.rows("INSERT INTO pipeline.runs (run_id, pipeline, status) VALUES ('x', 'p', 'done')")


def test_stage_orders_are_one_to_seven(database: Database):
    database.rows("INSERT INTO pipeline.runs (run_id, pipeline, status) VALUES ('r', 'p', 'running')")
    insert = (
        "INSERT INTO pipeline.run_stages (run_id, stage, stage_order, pipeline, status)"
        " VALUES ('r', %s, %s, 'p', 'running')"
    )
    database.rows(insert, "first", 1)
    database.rows(insert, "last", 7)
    for order in (0, 8):
        with pytest.raises(Exception, match="check constraint"):
            database.rows(insert, "other", order)


def test_a_database_of_a_newer_version_is_refused(database: Database):
    database.rows("UPDATE pipeline.schema_version SET version_num = '9999'")
    database.rows("UPDATE pipeline.environment SET oldest_code = '9999'")
    settings = database.settings()
    for call in (upgrade, ready):
        with pytest.raises(DatabaseNotMigrated, match=r"9999, newer than") as caught:
            call(settings)
        assert caught.value.code == "database_newer"
    assert "9999" in str(check(settings)[0])


def test_a_newer_version_that_took_nothing_away_serves_but_is_not_upgraded(database: Database):
    database.rows("UPDATE pipeline.schema_version SET version_num = '9999'")
    settings = database.settings()
    ready(settings)
    assert check(settings) == []
    with pytest.raises(DatabaseNotMigrated, match="newer than"):
        upgrade(settings)
    with pytest.raises(WrongEnvironment):
        ready(database.settings(database_environment="prod"))


def test_another_environment_is_refused(database: Database):
    settings = database.settings(database_environment="prod")
    for call in (upgrade, ready):
        with pytest.raises(WrongEnvironment, match=r"belongs to environment 'dev'.*'prod'"):
            call(settings)
    assert "environment 'dev'" in str(check(settings)[0])


def test_an_empty_database_says_which_command(empty_database: Database):
    settings = empty_database.settings()
    with pytest.raises(DatabaseNotMigrated, match="telecine db upgrade"):
        ready(settings)
    with pytest.raises(DatabaseNotMigrated, match="never migrated"):
        check_command(settings)
    assert empty_database.rows("SELECT to_regnamespace('pipeline')") == [(None,)]


def test_check_names_what_is_missing(database: Database):
    database.rows("DROP TABLE pipeline.item_errors")
    database.rows("ALTER TABLE pipeline.run_stages DROP COLUMN manifest_key")
    told = [str(problem) for problem in check(database.settings())]
    assert any("table pipeline.item_errors does not exist" in line for line in told)
    assert any("run_stages has no column 'manifest_key'" in line for line in told)


def test_a_role_without_rights(database: Database, empty_database: Database):
    database.rows("CREATE ROLE narrow LOGIN")
    try:
        with pytest.raises(ConfigurationError, match="permission denied") as caught:
            upgrade(empty_database.settings(database_url=empty_database.as_role("narrow")))
        assert caught.value.code == "database_rights"
        narrow = database.settings(database_url=database.as_role("narrow"))
        assert "cannot use schema" in str(check(narrow)[0])
        database.rows("GRANT USAGE ON SCHEMA pipeline TO narrow")
        told = "\n".join(str(problem) for problem in check(narrow))
        assert 'GRANT INSERT ON pipeline.runs TO "narrow"' in told
    finally:
        database.rows("DROP OWNED BY narrow")
        database.rows("DROP ROLE narrow")


def test_the_migrating_role_grants_what_the_run_time_role_needs(empty_database: Database):
    empty_database.rows('CREATE ROLE "Run-time" LOGIN')
    try:
        settings = empty_database.settings(
            database_url=empty_database.as_role("Run-time"), database_migration_url=empty_database.url
        )
        upgrade(settings)
        assert check(settings) == []
        with pytest.raises(Exception, match="permission denied"):
            Database("", empty_database.as_role("Run-time")).rows("CREATE TABLE pipeline.mine ()")
    finally:
        empty_database.rows('DROP OWNED BY "Run-time"')
        empty_database.rows('DROP ROLE "Run-time"')


def test_a_missing_function_and_a_missing_right_on_one_are_named(database: Database):
    name = "viewership.undo(bigint, text)"
    database.rows("CREATE ROLE caller LOGIN")
    try:
        for schema in declared().schemas:
            database.rows(f"GRANT USAGE ON SCHEMA {schema} TO caller")
        caller = database.settings(database_url=database.as_role("caller"))
        assert f'GRANT EXECUTE ON FUNCTION {name} TO "caller"' in [problem.fix for problem in check(caller)]
        database.rows(f"GRANT EXECUTE ON FUNCTION {name} TO caller")
        assert not [problem for problem in check(caller) if name in str(problem)]
        database.rows(f"DROP FUNCTION {name}")
        for settings in (caller, database.settings()):
            found = [problem for problem in check(settings) if name in str(problem)]
            assert [problem.what for problem in found] == [f"function {name} does not exist"]
            assert "telecine db upgrade" in found[0].fix
    finally:
        database.rows("DROP OWNED BY caller")
        database.rows("DROP ROLE caller")


def test_a_run_time_role_that_is_not_there(empty_database: Database):
    settings = empty_database.settings(
        database_url=empty_database.as_role("nobody-here"), database_migration_url=empty_database.url
    )
    with pytest.raises(ConfigurationError, match='CREATE ROLE "nobody-here"'):
        upgrade(settings)
    with pytest.raises(ConfigurationError, match="does not exist") as caught:
        check(settings)
    assert caught.value.code == "database_refused"


def test_no_server(database: Database):
    settings = database.settings(database_url="postgresql://u:hush@127.0.0.1:1/x")
    with pytest.raises(DatabaseUnreachable, match=r"127\.0\.0\.1:1") as caught:
        check(settings)
    assert "hush" not in str(caught.value)


def test_the_url_hides_the_password(database: Database):
    settings = database.settings(database_url=database.as_role("telecine", "hush"))
    assert url_command(settings).startswith("postgresql://telecine:***@/test_")
