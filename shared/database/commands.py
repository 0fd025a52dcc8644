"""Implements `telecine db upgrade | check | url`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.database import migrate
from shared.database.connection import is_embedded, shown
from shared.database.problems import check as find_problems
from shared.database.problems import whereabouts
from shared.errors import DatabaseNotMigrated, WrongEnvironment

if TYPE_CHECKING:
    from shared.settings.database import DatabaseSettings

__all__ = ["check", "upgrade", "url"]

# The embedded server stops with its last user; a user needs time to type `psql`.
KEEP_S: Final = 600.0


def upgrade(settings: DatabaseSettings) -> str:
    """Migrate the database and report the versions before and after."""
    done = migrate.upgrade(settings)
    if done.found == done.now:
        return f"The database is already at version {done.now} (environment {done.environment})."
    return f"Migrated from {done.found or 'an empty database'} to version {done.now} (environment {done.environment})."


def check(settings: DatabaseSettings) -> str:
    """Report that the database is usable; otherwise list everything that is missing.

    Raises:
        DatabaseNotMigrated: something is missing or wrong.
        WrongEnvironment: nothing is missing, but the database belongs to another environment.
    """
    if is_embedded(settings):
        migrate.ready(settings)
    problems = find_problems(settings)
    if problems:
        kind = WrongEnvironment if all(problem.is_environment for problem in problems) else DatabaseNotMigrated
        raise kind("\n".join(str(problem) for problem in problems), problems=len(problems))
    return f"Database OK: {whereabouts(settings)}."


def url(settings: DatabaseSettings) -> str:
    """Return the URL for `psql`, without its password; keeps the embedded server running for ten minutes."""
    text = shown(settings).replace("postgresql+psycopg://", "postgresql://", 1)
    if is_embedded(settings):
        from shared.database import embedded

        embedded.keep(settings.state_dir, KEEP_S)
    return text
