"""Says what a database lacks for telecine to work with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.database._head import HEAD, SCHEMA, VERSION_TABLE
from shared.database._state import demand_environment, demand_server, named, scalar, serves, version
from shared.database.connection import engine, translated
from shared.database.migrate import GOLD, RIGHTS, TABLES
from shared.errors import ConfigurationError, DatabaseNotMigrated, WrongEnvironment

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from shared.database.settings import DatabaseSettings

__all__ = ["Problem", "check", "server_time"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is missing or wrong in the database, and the command or statement that mends it."""

    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what}. {self.fix}"


def check(settings: DatabaseSettings) -> list[Problem]:
    """Return what is missing for telecine to work with this database as its run-time role; nothing when all is well.

    Raises:
        ConfigurationError: the connection is refused.
        DatabaseUnreachable: no connection.
    """
    problems: list[Problem] = []
    with translated(settings), engine(settings).connect() as connection:
        try:
            demand_server(connection)
        except ConfigurationError as error:
            problems.append(Problem(error.message, "Use a newer server."))
        upgrade_it = "Run: telecine db upgrade"
        if not scalar(connection, "SELECT to_regnamespace(:name) IS NOT NULL", name=SCHEMA):
            return [*problems, Problem(f"there is no schema '{SCHEMA}': the database was never migrated", upgrade_it)]
        user = scalar(connection, "SELECT current_user")
        if not scalar(connection, "SELECT has_schema_privilege(:name, 'USAGE')", name=SCHEMA):
            fix = f'GRANT USAGE ON SCHEMA {SCHEMA} TO "{user}"'
            return [*problems, Problem(f"role '{user}' may not use schema '{SCHEMA}'", fix)]
        problems += _missing_tables(connection, upgrade_it)
        problems += _missing_rights(connection, user)
        if not problems:
            try:
                found = version(connection)
                if not serves(connection, found):
                    problems.append(Problem(f"the schema is {named(found)}, needed is {HEAD}", upgrade_it))
                demand_environment(connection, settings)
            except (DatabaseNotMigrated, WrongEnvironment) as error:
                problems.append(Problem(*_halves(error.message)))
    return problems


def server_time(settings: DatabaseSettings) -> datetime:
    """Return what the database's clock shows.

    Raises:
        ConfigurationError: the connection is refused.
        DatabaseUnreachable: no connection.
    """
    with translated(settings), engine(settings).connect() as connection:
        now: datetime = scalar(connection, "SELECT clock_timestamp()")
        return now


def _halves(message: str) -> tuple[str, str]:
    what, _, fix = message.partition(". ")
    return what, fix


def _missing_tables(connection: Connection, fix: str) -> list[Problem]:
    from sqlalchemy import text

    from shared.ledger.tables import metadata

    rows = connection.execute(
        text(
            "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE c.relnamespace = to_regnamespace(:name) AND c.relkind IN ('r', 'p') AND a.attnum > 0"
        ),
        {"name": SCHEMA},
    )
    there: dict[str, set[str]] = {}
    for table, column in rows:
        there.setdefault(table, set()).add(column)
    problems = [Problem(f"there is no table {SCHEMA}.{VERSION_TABLE}", fix)] if VERSION_TABLE not in there else []
    for table in metadata.sorted_tables:
        if table.name not in there:
            problems.append(Problem(f"there is no table {table.fullname}", fix))
        problems += [
            Problem(f"table {table.fullname} has no column '{column.name}'", fix)
            for column in table.columns
            if table.name in there and column.name not in there[table.name]
        ]
    return problems


def _missing_rights(connection: Connection, user: str) -> list[Problem]:
    from sqlalchemy import text

    wanted = [(table, right) for table in TABLES for right in RIGHTS]
    wanted += [(f"{SCHEMA}.environment", "SELECT"), (f"{SCHEMA}.{VERSION_TABLE}", "SELECT")]
    problems: list[Problem] = []
    if not _may_use(connection, GOLD):
        problems.append(
            Problem(f"role '{user}' may not use schema '{GOLD}'", f'GRANT USAGE ON SCHEMA {GOLD} TO "{user}"')
        )
    if not scalar(connection, "SELECT has_database_privilege(current_database(), 'TEMPORARY')"):
        fix = f'GRANT TEMPORARY ON DATABASE … TO "{user}"'
        problems.append(Problem(f"role '{user}' may not make temporary tables, which publish needs", fix))
    for name, right in wanted:
        if name.startswith(f"{GOLD}.") and not _may_use(connection, GOLD):
            continue
        statement = text("SELECT to_regclass(:name) IS NULL OR has_table_privilege(CAST(:name AS text), :right)")
        if not connection.execute(statement, {"name": name, "right": right}).scalar():
            fix = f'GRANT {right} ON {name} TO "{user}"'
            problems.append(Problem(f"role '{user}' lacks {right} on {name}", fix))
    return problems


def _may_use(connection: Connection, schema: str) -> bool:
    """Whether this role may use a schema; one that is not there is the missing migration's problem, not a right's."""
    statement = "SELECT to_regnamespace(:name) IS NULL OR has_schema_privilege(CAST(:name AS text), 'USAGE')"
    return bool(scalar(connection, statement, name=schema))
