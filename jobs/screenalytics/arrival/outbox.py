"""Read the outbox's pending events, oldest first, except those set aside; record delivery and ``last_error``."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from jobs.screenalytics.arrival.events import PAYLOAD_BYTES, BadEvent, Candidate, Event, parse_event
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
    "fail_event",
    "outbox",
]

_PAGE: Final = 500
_COLUMNS: Final = (
    "event_id uuid, event_type text, aggregate_id text, payload_json jsonb, created_at timestamptz, delivered_at"
    " timestamptz, delivery_attempts integer and last_error text"
)
# Times are read as text, because PostgreSQL has infinity and the year 20000, and Python does not.
_WAITING: Final = """
    SELECT event_id::text AS id, event_type, aggregate_id, created_at::text AS at, delivery_attempts AS attempts,
        CASE WHEN octet_length(payload_json::text) <= :bytes THEN payload_json::text END AS payload
    FROM {outbox}
    WHERE delivered_at IS NULL AND delivery_attempts < :most
        AND (created_at, event_id) > (CAST(:at AS timestamptz), CAST(:id AS uuid))
    ORDER BY created_at, event_id LIMIT :page
"""
_DELIVERED: Final = """
    UPDATE {outbox} SET delivered_at = now(), last_error = NULL
    WHERE event_id = CAST(:id AS uuid) AND delivered_at IS NULL
"""
_FAILED: Final = """
    UPDATE {outbox} SET delivery_attempts = delivery_attempts + 1, last_error = :error
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
    after_time, after_id = "-infinity", "00000000-0000-0000-0000-000000000000"
    while True:
        with _outbox(settings) as (session, table):
            rows = session.rows(
                _WAITING.replace("{outbox}", table),
                bytes=PAYLOAD_BYTES,
                most=settings.max_attempts,
                at=after_time,
                id=after_id,
                page=_PAGE,
            )
        for row in rows:
            event = Event(row.id, row.event_type, row.aggregate_id, {}, row.attempts)
            yield parse_event(settings.prefix, event, row.payload)
        if len(rows) < _PAGE:
            return
        after_time, after_id = rows[-1].at, rows[-1].id


def acknowledge(settings: IngestSettings, event: Event) -> None:
    """Mark an event as delivered; idempotent."""
    with _outbox(settings) as (session, table):
        session.run(_DELIVERED.replace("{outbox}", table), id=event.event_id)


def fail_event(settings: IngestSettings, event: Event, error: TelecineError) -> bool:
    """Count a failed delivery, and return True if the event is now set aside.

    Args:
        settings: settings with the limit ``max_attempts``.
        event: the event.
        error: the reason for the failure.
    """
    message = clean_text(f"{error.code}: {error.message}", 1000)
    with _outbox(settings) as (session, table):
        rows = session.rows(_FAILED.replace("{outbox}", table), id=event.event_id, error=message)
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
            f" columns {_COLUMNS}. Run telecine db upgrade for telecine's own outbox, set --outbox-table and"
            " TELECINE_SCREENALYTICS_OUTBOX_URL for another one, or use --arrival poll, which needs none",
            code="outbox_missing",
            table=settings.outbox_table,
        ) from error
    except TelecineError as error:
        if settings.outbox_url is None:
            raise
        message = error.message.replace("TELECINE_DATABASE_URL", "TELECINE_SCREENALYTICS_OUTBOX_URL")
        raise type(error)(f"the outbox: {message}", code=error.code, **error.data) from error
