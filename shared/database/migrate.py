"""Migrate the schema forward in one transaction; grant rights to the run-time role and to roles that only read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.database._schema import CONSOLE, GOLD, HEAD, SCHEMA, VERSION_TABLE, declared
from shared.database._state import describe, reject_newer, require_environment, require_server, scalar, serves, version
from shared.database.connection import database_command, engine, is_embedded, translated
from shared.errors import ConfigurationError, DatabaseNotMigrated

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from shared.settings.database import DatabaseSettings

__all__ = ["CONSOLE", "CONSOLE_FUNCTIONS", "HEAD", "READER", "RIGHTS", "Upgrade", "console_rights", "ready", "upgrade"]

# The key of the advisory lock that an upgrade holds: the word "telecine" as a number.
_LOCK: Final = int.from_bytes(b"telecine", "big", signed=True)
RIGHTS: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
# Reads the published tables, if an operator has created this role.
READER: Final = "telecine_reader"
_CONSOLE_SCHEMA: Final = "console"
# An attacker who controls the console cannot change what it has recorded; `vacuum` runs with another role.
_CONSOLE_LOG: Final = "console.audit"
_APPEND: Final = ("SELECT", "INSERT")
CONSOLE_FUNCTIONS: Final = (
    "viewership.preview(text, bigint[], bigint)",
    "viewership.decide(text, bigint[], bigint, text, text, text)",
    "viewership.undo(bigint, text)",
)
"""Functions that the role ``telecine_console`` may call: they decide for it, with the rights of their owner."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Result of :func:`upgrade`: the version found (None: an empty database) and the current one."""

    found: str | None
    now: str
    environment: str


def upgrade(settings: DatabaseSettings) -> Upgrade:
    """Migrate the database in one transaction; concurrent upgrades wait, and all but one find nothing to do.

    Grants the run-time role its rights if another role migrates (``database_migration_url``).

    Args:
        settings: where the database is, and which environment it must belong to.

    Raises:
        DatabaseNotMigrated: the database has a newer version (code ``database_newer``).
        WrongEnvironment: it belongs to another environment.
        ConfigurationError: missing rights, a server older than 15, a refused connection.
        DatabaseUnreachable: no connection.
        TransientError: another upgrade did not end within a minute.
    """
    from sqlalchemy import text

    with translated(settings), engine(settings, migration=True).begin() as connection:
        require_server(connection)
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        found = version(connection)
        reject_newer(found)
        if found is not None:
            require_environment(connection, settings)
        if found != HEAD:
            _migrate(connection)
        connection.execute(
            text("INSERT INTO pipeline.environment (name) VALUES (:name) ON CONFLICT DO NOTHING"),
            {"name": settings.database_environment},
        )
        _grant(connection, settings)
        _grant_reader(connection)
        _grant_console(connection)
    return Upgrade(found, HEAD, settings.database_environment)


def ready(settings: DatabaseSettings) -> Engine:
    """Return the engine of a database that is migrated and belongs to the right environment.

    An embedded server is migrated first; any other server is not changed. A newer schema that removed nothing is
    accepted, since a run that started before an upgrade ends on its old image.

    Raises:
        DatabaseNotMigrated: run ``telecine db upgrade``.
        WrongEnvironment: it belongs to another environment.
    """
    known = engine(settings)
    with translated(settings), known.connect() as connection:
        found = version(connection)
        if serves(connection, found):
            require_environment(connection, settings)
            return known
    if not is_embedded(settings):
        raise DatabaseNotMigrated(
            f"the database schema is {describe(found)}; expected version {HEAD}. Run:"
            f" {database_command(settings, 'db upgrade')}",
            found=found,
            needed=HEAD,
        )
    upgrade(settings)
    return known


def console_rights() -> dict[str, tuple[str, ...]]:
    """Return what the role ``telecine_console`` may do: table or view -> rights.

    Tables of a producer in one of these schemas are not among them.
    """
    schema = declared()
    read = (f"{SCHEMA}.environment", f"{SCHEMA}.{VERSION_TABLE}", *schema.tables, *schema.views)
    own = {name for name in schema.tables if name.partition(".")[0] == _CONSOLE_SCHEMA}
    return {name: _APPEND if name == _CONSOLE_LOG else RIGHTS if name in own else ("SELECT",) for name in read}


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import text

    if not scalar(connection, "SELECT to_regnamespace(:name) IS NOT NULL", name=SCHEMA):
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _grant(connection: Connection, settings: DatabaseSettings) -> None:
    """Grant the run-time role its rights, unless it is the role of this connection."""
    from sqlalchemy import make_url, text

    if settings.database_url is None or settings.database_migration_url is None:
        return
    role = make_url(settings.database_url.get_secret_value()).username
    if role is None or role == scalar(connection, "SELECT current_user"):
        return
    if not scalar(connection, "SELECT count(*) FROM pg_roles WHERE rolname = :role", role=role):
        raise ConfigurationError(
            f"the database has no role '{role}', which TELECINE_DATABASE_URL names. Create it:"
            f' CREATE ROLE "{role}" LOGIN',
            code="database_rights",
        )
    schema = declared()
    name = connection.dialect.identifier_preparer.quote(role)
    connection.execute(text(f"GRANT USAGE ON SCHEMA {', '.join(schema.schemas)} TO {name}"))
    # Not in all schemas: screenalytics may contain the producer's tables, which this role cannot grant.
    connection.execute(text(f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA}, {GOLD} TO {name}"))
    connection.execute(text(f"GRANT {', '.join(RIGHTS)} ON {', '.join(schema.tables)} TO {name}"))
    connection.execute(text(f"GRANT SELECT ON {', '.join(schema.views)} TO {name}"))
    connection.execute(text(f"GRANT EXECUTE ON FUNCTION {', '.join(schema.functions)} TO {name}"))


def _grant_reader(connection: Connection) -> None:
    from sqlalchemy import text

    if scalar(connection, "SELECT count(*) FROM pg_roles WHERE rolname = :role", role=READER):
        connection.execute(text(f"GRANT USAGE ON SCHEMA {GOLD} TO {READER}"))
        connection.execute(text(f"GRANT SELECT ON ALL TABLES IN SCHEMA {GOLD} TO {READER}"))


def _grant_console(connection: Connection) -> None:
    from sqlalchemy import text

    if not scalar(connection, "SELECT count(*) FROM pg_roles WHERE rolname = :role", role=CONSOLE):
        return
    connection.execute(text(f"GRANT USAGE ON SCHEMA {', '.join(declared().schemas)} TO {CONSOLE}"))
    for rights in (("SELECT",), _APPEND, RIGHTS):
        names = [name for name, given in console_rights().items() if given == rights]
        connection.execute(text(f"GRANT {', '.join(rights)} ON {', '.join(names)} TO {CONSOLE}"))
    # Earlier upgrades granted all.
    connection.execute(text(f"REVOKE UPDATE, DELETE ON {_CONSOLE_LOG} FROM {CONSOLE}"))
    connection.execute(text(f"GRANT EXECUTE ON FUNCTION {', '.join(CONSOLE_FUNCTIONS)} TO {CONSOLE}"))
