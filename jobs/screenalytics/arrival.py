"""How runs are found: by events of an outbox table, then by a listing of the prefix, which has the last word."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from jobs.screenalytics._events import PAYLOAD_BYTES, Arrival, BadEvent, Candidate, Event, judge
from jobs.screenalytics.keys import run_of, runs_folder
from jobs.screenalytics.model import ManifestRef
from shared.database.session import transaction
from shared.errors import ConfigurationError, DatabaseNotMigrated, TelecineError
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from jobs.screenalytics.settings import IngestSettings, SourceSettings
    from shared.database.session import DatabaseSession
    from shared.storage import ObjectStore

__all__ = [
    "Arrival",
    "BadEvent",
    "Candidate",
    "Event",
    "acknowledge",
    "fail_event",
    "listed",
    "outbox",
    "poll",
]

_PAGE: Final = 500
_BATCH: Final = 1000
_COLUMNS: Final = (
    "event_id uuid, event_type text, aggregate_id text, payload_json jsonb, created_at timestamptz, delivered_at"
    " timestamptz, delivery_attempts integer and last_error text"
)
# Times stay text: PostgreSQL knows infinity and the year 20000, Python does not.
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
    """Yield what waits in the outbox, oldest first, in pages: neither delivered nor failed too often.

    Args:
        settings: which table, in which database.

    Raises:
        ConfigurationError: there is no such table.
        TelecineError: as :func:`shared.database.session.transaction`.
    """
    at, last = "-infinity", "00000000-0000-0000-0000-000000000000"
    while True:
        with _outbox(settings) as (session, table):
            rows = session.rows(
                _WAITING.replace("{outbox}", table),
                bytes=PAYLOAD_BYTES,
                most=settings.max_attempts,
                at=at,
                id=last,
                page=_PAGE,
            )
        for row in rows:
            event = Event(row.id, row.event_type, row.aggregate_id, {}, row.attempts)
            yield judge(settings.prefix, event, row.payload)
        if len(rows) < _PAGE:
            return
        at, last = rows[-1].at, rows[-1].id


def acknowledge(settings: IngestSettings, event: Event) -> None:
    """Note that an event was dealt with; again is no error."""
    with _outbox(settings) as (session, table):
        session.run(_DELIVERED.replace("{outbox}", table), id=event.event_id)


def fail_event(settings: IngestSettings, event: Event, error: TelecineError) -> bool:
    """Count a failed delivery; True when it was the last one, and the event is set aside.

    Args:
        settings: ``max_attempts`` is how often an event is tried.
        event: which.
        error: why.
    """
    said = clean_text(f"{error.code}: {error.message}", 1000)
    with _outbox(settings) as (session, table):
        rows = session.rows(_FAILED.replace("{outbox}", table), id=event.event_id, error=said)
    return bool(rows) and bool(rows[0].delivery_attempts >= settings.max_attempts)


def poll(
    settings: SourceSettings,
    store: ObjectStore,
    known: Callable[[Sequence[ManifestRef]], AbstractSet[str]],
) -> Iterator[Candidate]:
    """Yield the runs of the prefix that need something, in the order of their keys.

    Args:
        settings: the prefix.
        store: listed page by page; nothing else is asked of it.
        known: gets up to 1,000 listed manifests, and answers the keys of those that need nothing.
    """
    batch: list[ManifestRef] = []
    for ref in listed(settings.prefix, store):
        batch.append(ref)
        if len(batch) == _BATCH:
            yield from _unsettled(batch, known)
            batch = []
    if batch:
        yield from _unsettled(batch, known)


def listed(prefix: str, store: ObjectStore) -> Iterator[ManifestRef]:
    """Yield every manifest under the prefix."""
    for info in store.list(runs_folder(prefix)):
        run_id = run_of(info.key, prefix)
        if run_id is not None:
            yield ManifestRef(run_id, info.key, info.etag, info.modified)


def _unsettled(
    batch: Sequence[ManifestRef], known: Callable[[Sequence[ManifestRef]], AbstractSet[str]]
) -> Iterator[Candidate]:
    settled = known(batch)
    yield from (Candidate(ref, "poll") for ref in batch if ref.key not in settled)


@contextmanager
def _outbox(settings: IngestSettings) -> Iterator[tuple[DatabaseSession, str]]:
    """Begin a transaction in the outbox's database; gives it and the table's name, quoted."""
    schema, _, name = settings.outbox_table.partition(".")
    where = settings
    if settings.outbox_url is not None:
        where = settings.model_copy(update={"database_url": settings.outbox_url})
    try:
        with transaction(where) as session:
            yield session, f'"{schema}"."{name}"'
    except DatabaseNotMigrated as error:
        raise ConfigurationError(
            f"the outbox {settings.outbox_table} is not as it is read: {error.message.partition('. Run: ')[0]}. Name"
            f" another by --outbox-table and TELECINE_SCREENALYTICS_OUTBOX_URL; it needs the columns {_COLUMNS}. With"
            " --arrival poll none is needed; telecine's own is made by: telecine db upgrade",
            code="outbox_missing",
            table=settings.outbox_table,
        ) from error
    except TelecineError as error:
        if settings.outbox_url is None:
            raise
        message = error.message.replace("TELECINE_DATABASE_URL", "TELECINE_SCREENALYTICS_OUTBOX_URL")
        raise type(error)(f"the outbox: {message}", code=error.code, **error.data) from error
