"""Check a database's server (PostgreSQL 15 or newer), schema version (`database_newer`) and environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from shared.database._schema import HEAD, SCHEMA, VERSION_TABLE
from shared.errors import ConfigurationError, DatabaseNotMigrated, WrongEnvironment

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from shared.settings.database import DatabaseSettings

__all__ = ["describe", "reject_newer", "require_environment", "require_server", "scalar", "serves", "version"]

OLDEST: Final = 15


def scalar(connection: Connection, statement: str, **values: Any) -> Any:
    """Return the first column of the first row."""
    from sqlalchemy import text

    return connection.execute(text(statement), values).scalar()


def require_server(connection: Connection) -> None:
    """Reject a server older than PostgreSQL 15."""
    number = int(scalar(connection, "SELECT current_setting('server_version_num')"))
    if number < OLDEST * 10000:
        raise ConfigurationError(
            f"the server is PostgreSQL {number // 10000}; expected {OLDEST} or newer", code="database_old"
        )


def version(connection: Connection) -> str | None:
    """Return the schema's version; None for a database that was never migrated."""
    if scalar(connection, "SELECT to_regclass(:name)", name=f"{SCHEMA}.{VERSION_TABLE}") is None:
        return None
    found = scalar(connection, f"SELECT version_num FROM {SCHEMA}.{VERSION_TABLE}")  # noqa: S608 - our constants
    return None if found is None else str(found)


def describe(found: str | None) -> str:
    """Describe a schema version in words."""
    return "missing" if found is None else f"at version {found}"


def serves(connection: Connection, found: str | None) -> bool:
    """Return whether this code works with a schema: its own version, or a newer one that removed nothing.

    Raises:
        DatabaseNotMigrated: a later telecine migrated it, and this one is too old for it.
    """
    # Versions are four digits that count up, so they compare as text.
    if found is None or found <= HEAD:
        return found == HEAD
    oldest = scalar(connection, f"SELECT oldest_code FROM {SCHEMA}.environment")  # noqa: S608 - our constant
    if oldest is None or oldest > HEAD:
        reject_newer(found)
    return True


def reject_newer(found: str | None) -> None:
    """Reject a schema that a later telecine migrated."""
    if found is not None and found > HEAD:
        raise DatabaseNotMigrated(
            f"the database is at version {found}, newer than {HEAD}, the latest version this telecine knows. Use the"
            " telecine version that migrated it; a schema cannot be downgraded.",
            code="database_newer",
            found=found,
            needed=HEAD,
        )


def require_environment(connection: Connection, settings: DatabaseSettings) -> None:
    """Reject a database of another environment."""
    found = scalar(connection, f"SELECT name FROM {SCHEMA}.environment")  # noqa: S608 - our constant
    expected = settings.database_environment
    if found is not None and found != expected:
        raise WrongEnvironment(
            f"the database belongs to environment '{found}', but this command runs for '{expected}'. Check"
            f" TELECINE_DATABASE_URL; if it is the right database, set TELECINE_DATABASE_ENVIRONMENT={found}.",
            found=found,
            expected=expected,
        )
