"""Read the outbox's pending events, oldest first, or the events set aside; record delivery and ``last_error``."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.arrival.events import PAYLOAD_BYTES, BadEvent, Candidate, Event, parse_event
from shared.database.connection import database_command
from shared.database.session import transaction
from shared.errors import ConfigurationError, DatabaseNotMigrated, TelecineError
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.screenalytics.settings import IngestSettings
    from shared.database.session import DatabaseSession

__all__ = [
    "BadEvent",
    "Candidate",
    "Event",
    "acknowledge",
    "dead_events",
    "fail_event",
    "outbox",
]

_PAGE: Final = 500
_OWN: Final = "screenalytics.outbox_events"
_COLUMNS: Final = (
    "event_id uuid, event_type text, aggregate_id text, payload_json jsonb, created_at timestamptz, delivered_at"
    " timestamptz, delivery_attempts integer and last_error text"
)
# Times are read as text, because PostgreSQL has infinity and the year 20000, and Python does not.
_SELECT: Final = """
    SELECT event_id::text AS id, event_type::text AS event_type, aggregate_id::text AS aggregate_id,
        created_at::text AS at, coalesce(delivery_attempts, 0) AS attempts,
        octet_length(payload_json::text) > :bytes AS too_large,
        CASE WHEN octet_length(payload_json::text) <= :bytes THEN payload_json::text END AS payload
    FROM {outbox}
    WHERE delivered_at IS NULL AND (coalesce(delivery_attempts, 0) >= :most) = :dead
"""
_WAITING: Final = f"""{_SELECT}
        AND event_id IS NOT NULL AND (created_at, event_id) > (CAST(:at AS timestamptz), CAST(:id AS uuid))
    ORDER BY created_at, event_id LIMIT :page
"""
# A foreign outbox may allow NULL, which the comparison above skips. An event without a time counts as old. Rows without
# an id cannot be updated, so they come last and never fill the page.
_INCOMPLETE: Final = f"""{_SELECT}
        AND (created_at IS NULL OR event_id IS NULL)
    ORDER BY event_id NULLS LAST LIMIT :page
"""
_DELIVERED: Final = """
    UPDATE {outbox} SET delivered_at = now(), last_error = NULL
    WHERE event_id = CAST(:id AS uuid) AND delivered_at IS NULL
"""
_FAILED: Final = """
    UPDATE {outbox} SET last_error = :error, delivery_attempts = CASE WHEN coalesce(delivery_attempts, 0) = :seen
        THEN :seen + 1 ELSE delivery_attempts END
    WHERE event_id = CAST(:id AS uuid) AND delivered_at IS NULL RETURNING delivery_attempts
"""


def outbox(settings: IngestSettings) -> Iterator[Candidate | BadEvent]:
    """Yield the pending events of the outbox, oldest first, except those that failed ``max_attempts`` times.

    Args:
        settings: the outbox table and its database.

    Raises:
        ConfigurationError: the table does not exist, or lacks a column.
        TelecineError: see :func:`shared.database.session.transaction`.
    """
    for page in _pages(settings, dead=False):
        yield from page


def dead_events(settings: IngestSettings) -> Iterator[list[Candidate]]:
    """Yield pages of valid events that failed ``max_attempts`` times.

    Args:
        settings: the outbox table and its database.

    Raises:
        ConfigurationError: the table does not exist, or lacks a column.
        TelecineError: see :func:`shared.database.session.transaction`.
    """
    for page in _pages(settings, dead=True):
        yield [each for each in page if isinstance(each, Candidate)]


def _pages(settings: IngestSettings, *, dead: bool) -> Iterator[list[Candidate | BadEvent]]:
    values = {"bytes": PAYLOAD_BYTES, "most": settings.max_attempts, "dead": dead, "page": _PAGE}
    after_time, after_id = "-infinity", "00000000-0000-0000-0000-000000000000"
    first = True
    while True:
        with _outbox(settings) as (session, table):
            rows = session.rows(_WAITING.replace("{outbox}", table), at=after_time, id=after_id, **values)
            incomplete = session.rows(_INCOMPLETE.replace("{outbox}", table), **values) if first else []
        yield [_parsed(settings, row) for row in (*incomplete, *rows)]
        first = False
        if len(rows) < _PAGE:
            return
        after_time, after_id = rows[-1].at, rows[-1].id


def _parsed(settings: IngestSettings, row: Any) -> Candidate | BadEvent:
    event = Event(row.id or "", row.event_type, row.aggregate_id, {}, row.attempts)
    return parse_event(settings.prefix, event, row.payload, too_large=bool(row.too_large))


def acknowledge(settings: IngestSettings, event: Event) -> None:
    """Mark an event as delivered; idempotent."""
    with _outbox(settings) as (session, table):
        session.run(_DELIVERED.replace("{outbox}", table), id=event.event_id)


def fail_event(settings: IngestSettings, event: Event, error: TelecineError) -> bool:
    """Count a failed delivery, and return True if the event is now set aside.

    Concurrent ingests that read the same event count its failure once. An event without an id is never set aside.

    Args:
        settings: settings with the limit ``max_attempts``.
        event: the event.
        error: the reason for the failure.
    """
    if not event.event_id:
        return False
    message = clean_text(f"{error.code}: {error.message}", 1000)
    with _outbox(settings) as (session, table):
        statement = _FAILED.replace("{outbox}", table)
        rows = session.rows(statement, id=event.event_id, seen=event.attempts, error=message)
    return bool(rows) and bool(rows[0].delivery_attempts >= settings.max_attempts)


@contextmanager
def _outbox(settings: IngestSettings) -> Iterator[tuple[DatabaseSession, str]]:
    """Open a transaction in the outbox's database, and yield it with the quoted table name."""
    schema, _, name = settings.outbox_table.partition(".")
    database = settings
    if settings.outbox_url is not None:
        database = settings.model_copy(update={"database_url": settings.outbox_url})
    try:
        with transaction(database) as session:
            yield session, f'"{schema}"."{name}"'
    except DatabaseNotMigrated as error:
        raise ConfigurationError(
            f"the outbox {settings.outbox_table} cannot be read: {error.message.partition('. Run: ')[0]}; expected the"
            f" columns {_COLUMNS}. Run {database_command(settings, 'db upgrade')} for telecine's own outbox, set"
            " --outbox-table and TELECINE_SCREENALYTICS_OUTBOX_URL for another one, or use --arrival poll, which needs"
            " none",
            code="outbox_missing",
            table=settings.outbox_table,
        ) from error
    except TelecineError as error:
        if error.code == "database_rights" and not _is_own(settings):
            raise ConfigurationError(
                f"the outbox {settings.outbox_table}: {error.message.partition('. `telecine')[0]}; expected SELECT and"
                f" UPDATE on it; run in its database: GRANT SELECT, UPDATE ON {settings.outbox_table} TO the role of"
                " the outbox's URL",
                code=error.code,
                table=settings.outbox_table,
            ) from error
        if settings.outbox_url is None:
            raise
        message = error.message.replace("TELECINE_DATABASE_URL", "TELECINE_SCREENALYTICS_OUTBOX_URL")
        raise type(error)(f"the outbox: {message}", code=error.code, **error.data) from error


def _is_own(settings: IngestSettings) -> bool:
    """Return True if the outbox is telecine's own table, whose rights ``telecine db upgrade`` grants."""
    return settings.outbox_url is None and settings.outbox_table == _OWN
