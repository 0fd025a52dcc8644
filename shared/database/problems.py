"""Find what a database lacks for telecine to work with it, with the statement that fixes it (`telecine db check`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.database._schema import HEAD, SCHEMA, VERSION_TABLE, declared
from shared.database._state import describe, require_environment, require_server, scalar, serves, version
from shared.database.connection import database_command, engine, translated
from shared.database.migrate import CONSOLE, CONSOLE_FUNCTIONS, RIGHTS, console_rights
from shared.errors import ConfigurationError, DatabaseNotMigrated, WrongEnvironment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from shared.settings.database import DatabaseSettings

__all__ = ["Problem", "check", "console_role", "server_time", "whereabouts"]

_IS_SCHEMA: Final = "SELECT to_regnamespace(:name) IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something missing or wrong in the database, and the command or statement that fixes it."""

    what: str
    fix: str
    is_environment: bool = False

    def __str__(self) -> str:
        return f"{self.what}. {self.fix}"


def check(settings: DatabaseSettings) -> list[Problem]:
    """Return what this connection's role is missing in this database; empty if it is ready.

    The role ``telecine_console`` needs the rights of the console, every other role those of a run.

    Raises:
        ConfigurationError: the connection was refused.
        DatabaseUnreachable: no connection.
    """
    problems: list[Problem] = []
    with translated(settings), engine(settings).connect() as connection:
        try:
            require_server(connection)
        except ConfigurationError as error:
            problems.append(Problem(error.message, "Use a newer server."))
        upgrade_it = f"Run: {database_command(settings, 'db upgrade')}"
        if not scalar(connection, _IS_SCHEMA, name=SCHEMA):
            return [
                *problems,
                Problem(f"schema '{SCHEMA}' does not exist: the database was never migrated", upgrade_it),
            ]
        user = scalar(connection, "SELECT current_user")
        if not scalar(connection, "SELECT has_schema_privilege(:name, 'USAGE')", name=SCHEMA):
            fix = f'GRANT USAGE ON SCHEMA {SCHEMA} TO "{user}"'
            return [*problems, Problem(f"role '{user}' cannot use schema '{SCHEMA}'", fix)]
        problems += _missing_tables(connection, upgrade_it)
        problems += _missing_rights(connection, user)
        functions = CONSOLE_FUNCTIONS if user == CONSOLE else declared().functions
        problems += _missing_functions(connection, user, functions, upgrade_it)
        if not problems:
            try:
                found = version(connection)
                if not serves(connection, found):
                    problems.append(Problem(f"the schema is {describe(found)}; expected version {HEAD}", upgrade_it))
                require_environment(connection, settings)
            except (DatabaseNotMigrated, WrongEnvironment) as error:
                is_environment = isinstance(error, WrongEnvironment)
                problems.append(Problem(*_halves(error.message), is_environment=is_environment))
    return problems


def whereabouts(settings: DatabaseSettings) -> str:
    """Return version and environment of a database, its name, and the tables of results that a run would write.

    Raises:
        ConfigurationError: the connection was refused.
        DatabaseUnreachable: no connection.
    """
    with translated(settings), engine(settings).connect() as connection:
        name = scalar(connection, "SELECT current_database()")
    final = ", ".join(declared().final)
    return f"schema {HEAD}, environment {settings.database_environment}; database {name}, final rows in {final}"


def console_role(settings: DatabaseSettings) -> list[Problem] | None:
    """Return what the role ``telecine_console`` lacks, and what it may write beyond the console's tables.

    Returns:
        None if there is no such role.

    Raises:
        ConfigurationError: the connection was refused.
        DatabaseUnreachable: no connection.
    """
    from sqlalchemy import text

    problems: list[Problem] = []
    with translated(settings), engine(settings).connect() as connection:
        if not scalar(connection, "SELECT count(*) FROM pg_roles WHERE rolname = :role", role=CONSOLE):
            return None
        rows = connection.execute(
            text(
                "SELECT name, privilege, has_schema_privilege(:role, split_part(name, '.', 1), 'USAGE')"
                " AND has_table_privilege(:role, name, privilege)"
                " FROM unnest(CAST(:names AS text[])) AS name, unnest(CAST(:rights AS text[])) AS privilege"
                " WHERE to_regclass(name) IS NOT NULL"
            ),
            {"role": CONSOLE, "names": list(console_rights()), "rights": list(RIGHTS)},
        )
        for name, right, has in rows:
            wanted = right in console_rights()[name]
            if wanted and not has:
                fix = f"Run: {database_command(settings, 'db upgrade')}"
                problems.append(Problem(f"role '{CONSOLE}' lacks {right} on {name}", fix))
            elif has and not wanted:
                fix = f"REVOKE {right} ON {name} FROM {CONSOLE}, or from PUBLIC or a role that it is a member of"
                problems.append(Problem(f"role '{CONSOLE}' has {right} on {name}, which no page needs", fix))
        rows = connection.execute(
            text(
                "SELECT name, has_schema_privilege(:role, split_part(name, '.', 1), 'USAGE')"
                " AND has_function_privilege(:role, name, 'EXECUTE')"
                " FROM unnest(CAST(:names AS text[])) AS name WHERE to_regprocedure(name) IS NOT NULL"
            ),
            {"role": CONSOLE, "names": list(declared().functions)},
        )
        for name, has in rows:
            wanted = name in CONSOLE_FUNCTIONS
            if wanted and not has:
                fix = f"Run: {database_command(settings, 'db upgrade')}"
                problems.append(Problem(f"role '{CONSOLE}' lacks EXECUTE on {name}", fix))
            elif has and not wanted:
                fix = f"REVOKE EXECUTE ON FUNCTION {name} FROM {CONSOLE}, PUBLIC or a role that it is a member of"
                problems.append(Problem(f"role '{CONSOLE}' has EXECUTE on {name}, which no page needs", fix))
    return problems


def server_time(settings: DatabaseSettings) -> datetime:
    """Return the time of the database's clock.

    Raises:
        ConfigurationError: the connection was refused.
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

    from shared.database.ledger_tables import metadata

    wanted = declared()
    rows = connection.execute(
        text(
            "SELECT n.nspname || '.' || c.relname, a.attname FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE n.nspname = ANY (:names) AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0"
        ),
        {"names": list(wanted.schemas)},
    )
    there: dict[str, set[str]] = {}
    for table, column in rows:
        there.setdefault(table, set()).add(column)
    schemas = {schema for schema in wanted.schemas if scalar(connection, _IS_SCHEMA, name=schema)}
    problems = [Problem(f"schema '{schema}' does not exist", fix) for schema in wanted.schemas if schema not in schemas]
    kinds = dict.fromkeys((f"{SCHEMA}.{VERSION_TABLE}", *(table.fullname for table in metadata.sorted_tables)), "table")
    kinds |= dict.fromkeys(wanted.tables, "table") | dict.fromkeys(wanted.views, "view")
    for name, kind in kinds.items():
        if name not in there and name.partition(".")[0] in schemas:
            problems.append(Problem(f"{kind} {name} does not exist", fix))
    for table in metadata.sorted_tables:
        problems += [
            Problem(f"table {table.fullname} has no column '{column.name}'", fix)
            for column in table.columns
            if table.fullname in there and column.name not in there[table.fullname]
        ]
    return problems


def _missing_rights(connection: Connection, user: str) -> list[Problem]:
    from sqlalchemy import text

    wanted = declared()
    if user == CONSOLE:
        rights = [(name, right) for name, given in console_rights().items() for right in given]
    else:
        rights = [(table, right) for table in wanted.tables for right in RIGHTS]
        rights += [(name, "SELECT") for name in (f"{SCHEMA}.environment", f"{SCHEMA}.{VERSION_TABLE}", *wanted.views)]
    closed = [schema for schema in wanted.schemas if not _may_use(connection, schema)]
    problems = [
        Problem(f"role '{user}' cannot use schema '{schema}'", f'GRANT USAGE ON SCHEMA {schema} TO "{user}"')
        for schema in closed
    ]
    temporary = "SELECT has_database_privilege(current_database(), 'TEMPORARY')"
    if user != CONSOLE and not scalar(connection, temporary):
        fix = f'GRANT TEMPORARY ON DATABASE … TO "{user}"'
        problems.append(Problem(f"role '{user}' cannot create temporary tables, which publish needs", fix))
    for name, right in rights:
        if name.partition(".")[0] in closed:
            continue
        statement = text("SELECT to_regclass(:name) IS NULL OR has_table_privilege(CAST(:name AS text), :right)")
        if not connection.execute(statement, {"name": name, "right": right}).scalar():
            fix = f'GRANT {right} ON {name} TO "{user}"'
            problems.append(Problem(f"role '{user}' lacks {right} on {name}", fix))
    return problems


def _missing_functions(connection: Connection, user: str, functions: Sequence[str], fix: str) -> list[Problem]:
    from sqlalchemy import text

    problems = []
    for function in functions:
        schema = function.partition(".")[0]
        if not scalar(connection, _IS_SCHEMA, name=schema) or not _may_use(connection, schema):
            continue  # reported as such
        statement = text("SELECT has_function_privilege(to_regprocedure(:name), 'EXECUTE')")
        allowed = connection.execute(statement, {"name": function}).scalar()
        if allowed is None:
            problems.append(Problem(f"function {function} does not exist", fix))
        elif not allowed:
            grant = f'GRANT EXECUTE ON FUNCTION {function} TO "{user}"'
            problems.append(Problem(f"role '{user}' lacks EXECUTE on {function}", grant))
    return problems


def _may_use(connection: Connection, schema: str) -> bool:
    """Return whether this role may use a schema; a missing schema is reported as such, not as a missing right."""
    statement = "SELECT to_regnamespace(:name) IS NULL OR has_schema_privilege(CAST(:name AS text), 'USAGE')"
    return bool(scalar(connection, statement, name=schema))
