"""Database URL (of the embedded server if none is set outside a pod) and engine; PostgreSQL's errors as ours."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from shared.database._schema import CONSOLE
from shared.errors import (
    ConfigurationError,
    DatabaseNotMigrated,
    DatabaseUnreachable,
    TelecineError,
    TransientError,
)
from shared.logs import in_pod
from shared.scrub import HIDDEN
from shared.settings.database import DatabaseSettings
from shared.settings.next_command import next_command
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Engine, ExceptionContext


__all__ = [
    "database_command",
    "database_url",
    "dispose",
    "engine",
    "hide_rows",
    "is_embedded",
    "is_global",
    "shown",
    "translated",
]

_DRIVERS: Final = frozenset({"postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"})
# Parameters of libpq in a URL that are secrets, or name a file with one.
_SECRET_PARAMETERS: Final = frozenset({"password", "sslpassword", "passfile"})
_HINT: Final = "@ : / ? # % in a password must be percent-encoded, such as %40 for @"
# What SQLAlchemy takes as user and password: up to the first @.
_USER: Final = re.compile(r"[^:/]*(?::[^@]*)?@")
_NO_RIGHTS = "42501"
_LOCKED = "55P03"
_NOT_THERE = frozenset({"42P01", "3F000", "42703"})
_BUSY = frozenset({"40001", "40P01", _LOCKED, "57014", "53100", "53200", "25006"})
_GONE = frozenset({"57P01", "57P02", "57P03", "53300"})
# libpq reports no SQLSTATE when a connection is refused for one of these reasons, which need operator action.
_REFUSED = re.compile(
    r"authentication failed|no pg_hba\.conf entry|(?:role|database) \"[^\"]*\" does not exist|no password supplied"
    r"|not permitted to log in|invalid (?:connection option|URI|sslmode)|certificate"
)

_engines: dict[tuple[str, bool], Engine] = {}


def is_embedded(settings: DatabaseSettings) -> bool:
    """Return whether the database is the embedded server: no URL is set, and this is not a pod."""
    return settings.database_url is None and not in_pod()


def database_url(settings: DatabaseSettings, *, migration: bool = False) -> str:
    """Return the database's URL for SQLAlchemy, including its password; starts the embedded server if that is used.

    Args:
        settings: where the database is.
        migration: return the URL of the role that migrates, if there is one.

    Raises:
        ConfigurationError: no URL is set in a pod, or it is not a PostgreSQL URL.
        ExtraMissing: no URL is set, and this machine has no PostgreSQL.
        DatabaseUnreachable: the embedded server does not start.
    """
    secret = settings.database_url
    if migration and settings.database_migration_url is not None:
        secret = settings.database_migration_url
    if secret is not None:
        return _parse(secret.get_secret_value()).render_as_string(hide_password=False)
    if in_pod():
        raise ConfigurationError(
            "TELECINE_DATABASE_URL is not set; in a pod, expected the URL of a PostgreSQL server, such as"
            " postgresql://user:password@host:5432/telecine (the chart's values name the Secret that contains it)."
        )
    from shared.database import embedded

    return embedded.ensure(settings.state_dir)


def shown(settings: DatabaseSettings) -> str:
    """Return the URL without its passwords, for display."""
    url = _parse(database_url(settings))
    query = {name: HIDDEN if name in _SECRET_PARAMETERS else value for name, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)


def engine(settings: DatabaseSettings, *, migration: bool = False, pooled: bool = True) -> Engine:
    """Return the engine of the database; there is one per process and URL.

    Args:
        settings: where the database is.
        migration: connect as the role that migrates.
        pooled: if False, every use opens a new connection and closes it.

    Raises:
        ConfigurationError: as :func:`database_url`.
    """
    url = database_url(settings, migration=migration)
    known = _engines.get((url, pooled))
    if known is None:
        # Shared by all threads; a second engine from a race has not connected yet.
        known = _engines.setdefault((url, pooled), _create(url, pooled))
    return known


def _create(url: str, pooled: bool) -> Engine:
    from sqlalchemy import NullPool, create_engine, event

    pool: dict[str, Any] = (
        {"pool_size": 4, "max_overflow": 8, "pool_pre_ping": True} if pooled else {"poolclass": NullPool}
    )
    made = create_engine(
        url,
        # An error's message must not contain a statement's rows; hide_rows removes those that PostgreSQL quotes.
        hide_parameters=True,
        connect_args={
            "connect_timeout": 10,
            "application_name": "telecine",
            # A vanished host is noticed within 20 s instead of the kernel's 15 minutes.
            "tcp_user_timeout": 20_000,
            "keepalives_idle": 20,
            # Prepared statements do not survive a transaction pooler (PgBouncer).
            "prepare_threshold": None,
        },
        **pool,
    )
    event.listen(made, "handle_error", _hide_rows_of)
    return made


def _hide_rows_of(context: ExceptionContext) -> None:
    error = context.original_exception
    if hide_rows(error) and context.sqlalchemy_exception is not None:
        kind = type(error)
        context.sqlalchemy_exception.args = (f"({kind.__module__}.{kind.__name__}) {error}",)


def hide_rows(error: BaseException) -> bool:
    """Reduce the message of a PostgreSQL error to its first line, and return whether it has one.

    The other lines quote data: the whole failing row, a line of a COPY, or a key. Logs and reports show messages.
    """
    said = getattr(getattr(error, "diag", None), "message_primary", None)
    if said:
        error.args = (said,)
    return bool(said)


def dispose() -> None:
    """Close every connection of this process's pools; the next use opens new ones."""
    for known in _engines.values():
        known.dispose()
    _engines.clear()


def _forget() -> None:
    """Drop inherited connections after a fork without closing them: they belong to the parent."""
    for known in _engines.values():
        known.dispose(close=False)
    _engines.clear()


os.register_at_fork(after_in_child=_forget)


def _parse(text: str) -> URL:
    """Return the parsed URL.

    Raises:
        ConfigurationError: it is not a URL of PostgreSQL; the message contains no part of it except the scheme.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    text = text.strip()
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        url = None
    kind = ""
    if url is None:
        kind = "not a URL"
    elif url.drivername not in _DRIVERS:
        kind = f"its scheme is '{url.drivername}'"
    elif _has_second_at(text):
        kind = "it has more than one @"
    elif not url.database:
        kind = "it names no database"
    if url is None or kind:
        raise ConfigurationError(
            f"the database URL is not valid ({kind}); expected postgresql://user:password@host:5432/name; {_HINT}"
        )
    return url.set(drivername="postgresql+psycopg")


def _has_second_at(text: str) -> bool:
    """Return whether an @ follows the one before the host: then host, database or parameters are part of a password.

    The value of a parameter of libpq may contain one, as does the name of an abstract socket.
    """
    import psycopg

    rest = text.partition("://")[2]
    user = _USER.match(rest)
    place, _, query = rest[user.end() if user else 0 :].partition("?")
    if "@" in place:
        return True
    names = {part.partition("=")[0] for part in query.split("&") if "@" in part}
    return not names <= {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}


def is_global(state: str) -> bool:
    """Return whether an SQLSTATE is about the connection, the server, rights or the schema, not about one statement."""
    return state in _BUSY | _GONE | _NOT_THERE or state == _NO_RIGHTS or state.startswith("08")


@contextmanager
def translated(settings: DatabaseSettings) -> Iterator[None]:
    """Translate errors of SQLAlchemy and psycopg to :mod:`shared.errors`; let others through.

    Raises:
        DatabaseUnreachable: the connection failed or was lost.
        TransientError: a deadlock, a lock timeout, a full disk, no free connection.
        DatabaseNotMigrated: a table or schema is missing.
        ConfigurationError: a wrong password, database or role; missing rights.
    """
    import psycopg
    from sqlalchemy.exc import DBAPIError, InterfaceError
    from sqlalchemy.exc import TimeoutError as NoneFree

    try:
        yield
    except NoneFree as error:
        raise TransientError(
            f"all connections of this process to PostgreSQL at {_host(settings)} are in use; reduce its threads",
            code="database_busy",
        ) from error
    except DBAPIError as error:
        original = error.orig
        known = _known(settings, original if original is not None else error)
        if known is None and (error.connection_invalidated or isinstance(error, InterfaceError)):
            known = _unreachable(settings, str(original))
        if known is None:
            raise
        raise known from error
    except psycopg.Error as error:
        hide_rows(error)
        known = _known(settings, error)
        if known is None:
            raise
        raise known from error


def database_command(settings: DatabaseSettings, command: str) -> str:
    """Return a command on the same database, such as ``db upgrade``, for messages."""
    return next_command(command, model=DatabaseSettings, settings=settings)


def _known(settings: DatabaseSettings, error: BaseException) -> TelecineError | None:
    import psycopg

    state = getattr(error, "sqlstate", None)
    first = clean_text(" ".join(str(error).split()), 300)
    if state == _NO_RIGHTS:
        upgrade = f"`{database_command(settings, 'db upgrade')}` with TELECINE_DATABASE_MIGRATION_URL grants it"
        if _role(settings) == CONSOLE:
            # It has all rights of its own, so neither command changes anything for other commands.
            fix = (
                f"`{CONSOLE}` only serves the console; run other commands with the role of the runs in"
                f" TELECINE_DATABASE_URL. If the console lacks it, {upgrade}."
            )
        else:
            fix = f"`{database_command(settings, 'db check')}` lists what is missing; {upgrade}."
        return ConfigurationError(f"the database role lacks a right: {first}. {fix}", code="database_rights")
    if state in _NOT_THERE:
        return DatabaseNotMigrated(
            f"the database schema is incomplete: {first}. Run: {database_command(settings, 'db upgrade')}"
        )
    if state in _BUSY:
        message = f"PostgreSQL cannot do this right now: {first}"
        if state == _LOCKED:
            message = f"another transaction holds a lock: {first}. Try again when it has ended"
        return TransientError(message, code="database_busy", sqlstate=state)
    if isinstance(error, psycopg.OperationalError):
        if state is None and _REFUSED.search(str(error)):
            return ConfigurationError(
                f"PostgreSQL at {_host(settings)} refused the connection: {first}. Check user, password and database in"
                f" TELECINE_DATABASE_URL{f'; {_HINT}' if 'authentication failed' in first else ''}.",
                code="database_refused",
            )
        if state is None or state in _GONE or state.startswith("08"):
            return _unreachable(settings, first)
    return None


def _unreachable(settings: DatabaseSettings, reason: str) -> DatabaseUnreachable:
    host = _host(settings)
    return DatabaseUnreachable(
        f"PostgreSQL at {host} does not answer: {clean_text(reason, 300).rstrip('.?')}. Check the server and"
        " TELECINE_DATABASE_URL.",
        host=host,
    )


def _role(settings: DatabaseSettings) -> str | None:
    return None if settings.database_url is None else _parse(settings.database_url.get_secret_value()).username


def _host(settings: DatabaseSettings) -> str:
    if settings.database_url is None:
        return "the embedded server"
    url = _parse(settings.database_url.get_secret_value())
    host = url.host or url.query.get("host") or "localhost"
    return f"{host}:{url.port or 5432}"
