"""Read the outbox's pending events, oldest first, or the events set aside; record delivery and ``last_error``."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from shared.database.connection import database_command
from shared.database.session import transaction
from shared.errors import ConfigurationError, DatabaseNotMigrated, TelecineError
from shared.outbox.events import PAYLOAD_BYTES, Event
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import SecretStr

    from shared.database.session import DatabaseSession
    from shared.settings.database import DatabaseSettings

__all__ = ["Outbox", "Row"]

_PAGE: Final = 500
# A time and an id that precede those of all events.
_START: Final = ("-infinity", "00000000-0000-0000-0000-000000000000")
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
        AND event_id IS NOT NULL AND (created_at, event_id) {{after}} (CAST(:at AS timestamptz), CAST(:id AS uuid))
    ORDER BY created_at, event_id LIMIT :page
"""
# A foreign outbox may allow NULL, which the comparison above skips. An event without a time counts as old. Rows without
# an id cannot be updated, so they come last and never fill the page.
_INCOMPLETE: Final = f"""{_SELECT}
        AND (created_at IS NULL OR event_id IS NULL)
    ORDER BY event_id NULLS LAST LIMIT :page
"""
# Without the payloads, even a million rows take a second.
_ANY_DEAD: Final = """
    SELECT created_at::text AS at, event_id::text AS id, count(*) OVER () AS count FROM {outbox}
    WHERE delivered_at IS NULL AND coalesce(delivery_attempts, 0) >= :most
        AND event_id IS NOT NULL AND created_at IS NOT NULL
    ORDER BY random() LIMIT 1
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


class Row(NamedTuple):
    """An event with its payload as text.

    Attributes:
        event: the event, without its payload.
        text: its JSON; None if the row has none, or if it exceeds ``PAYLOAD_BYTES``.
        too_large: True if it does.
    """

    event: Event
    text: str | None
    too_large: bool


@dataclass(frozen=True, slots=True)
class Outbox:
    """The outbox table of a pipeline, in telecine's database or in a producer's.

    Attributes:
        settings: telecine's own database.
        table: schema and name.
        own_table: the table that ``telecine db upgrade`` creates for the pipeline.
        url: the database of another outbox; None for telecine's own.
        variable: the variable that sets ``url``, for messages.
        max_attempts: failures after which an event is set aside.
        subject: the pipeline's word for what ``aggregate_id`` names.
    """

    settings: DatabaseSettings
    table: str
    own_table: str
    url: SecretStr | None
    variable: str
    max_attempts: int
    subject: str = "run"

    def pending(self) -> Iterator[Row]:
        """Yield the pending events, oldest first, except those that failed ``max_attempts`` times.

        Raises:
            ConfigurationError: the table does not exist, or lacks a column.
            TelecineError: see :func:`shared.database.session.transaction`.
        """
        for page in self._pages(dead=False):
            yield from page

    def dead(self, at_most: int | None = None) -> Iterator[list[Row]]:
        """Yield pages of events that failed ``max_attempts`` times.

        Args:
            at_most: about how many events. If there are more, each call starts at a random one, so that repeated
                calls reach all of them. None yields all.

        Raises:
            ConfigurationError: the table does not exist, or lacks a column.
            TelecineError: see :func:`shared.database.session.transaction`.
        """
        start = _START if at_most is None else self._any_dead(at_most)
        for count, page in enumerate(self._pages(dead=True, start=start), 1):
            yield page
            if at_most is not None and count * _PAGE >= at_most:
                return

    def _any_dead(self, at_most: int) -> tuple[str, str]:
        """Return the time and id of a random event that was set aside, or the start if there are few of them."""
        with self._open() as (session, table):
            rows = session.rows(_ANY_DEAD.replace("{outbox}", table), most=self.max_attempts)
        return (rows[0].at, rows[0].id) if rows and rows[0].count > at_most else _START

    def acknowledge(self, event: Event) -> None:
        """Mark an event as delivered; idempotent."""
        with self._open() as (session, table):
            session.run(_DELIVERED.replace("{outbox}", table), id=event.event_id)

    def fail(self, event: Event, error: TelecineError) -> bool:
        """Count a failed delivery, and return True if the event is now set aside.

        Concurrent steps that read the same event count its failure once. An event without an id is never set aside.

        Args:
            event: the event.
            error: the reason for the failure.
        """
        if not event.event_id:
            return False
        message = clean_text(f"{error.code}: {error.message}", 1000)
        with self._open() as (session, table):
            statement = _FAILED.replace("{outbox}", table)
            rows = session.rows(statement, id=event.event_id, seen=event.attempts, error=message)
        return bool(rows) and bool(rows[0].delivery_attempts >= self.max_attempts)

    def _pages(self, *, dead: bool, start: tuple[str, str] = _START) -> Iterator[list[Row]]:
        values = {"bytes": PAYLOAD_BYTES, "most": self.max_attempts, "dead": dead, "page": _PAGE}
        after_time, after_id = start
        first = True
        while True:
            with self._open() as (session, table):
                statement = _WAITING.replace("{outbox}", table).replace("{after}", ">=" if first else ">")
                rows = session.rows(statement, at=after_time, id=after_id, **values)
                incomplete = session.rows(_INCOMPLETE.replace("{outbox}", table), **values) if first else []
            yield [self._row(row) for row in (*incomplete, *rows)]
            first = False
            if len(rows) < _PAGE:
                return
            after_time, after_id = rows[-1].at, rows[-1].id

    def _row(self, row: Any) -> Row:
        event = Event(row.id or "", row.event_type, row.aggregate_id, {}, row.attempts, self.subject)
        return Row(event, row.payload, bool(row.too_large))

    @contextmanager
    def _open(self) -> Iterator[tuple[DatabaseSession, str]]:
        """Open a transaction in the outbox's database, and yield it with the quoted table name."""
        schema, _, name = self.table.partition(".")
        database = self.settings
        if self.url is not None:
            database = database.model_copy(update={"database_url": self.url})
        try:
            with transaction(database) as session:
                yield session, f'"{schema}"."{name}"'
        except DatabaseNotMigrated as error:
            raise ConfigurationError(
                f"the outbox {self.table} cannot be read: {error.message.partition('. Run: ')[0]}; expected the"
                f" columns {_COLUMNS}. Run {database_command(self.settings, 'db upgrade')} for telecine's own outbox,"
                f" set --outbox-table and {self.variable} for another one, or use --arrival poll, which needs none",
                code="outbox_missing",
                table=self.table,
            ) from error
        except TelecineError as error:
            if error.code == "database_rights" and not self._is_own:
                raise ConfigurationError(
                    f"the outbox {self.table}: {error.message.partition('. `telecine')[0]}; expected SELECT and"
                    f" UPDATE on it; run in its database: GRANT SELECT, UPDATE ON {self.table} TO the role of the"
                    " outbox's URL",
                    code=error.code,
                    table=self.table,
                ) from error
            if self.url is None:
                raise
            message = error.message.replace("TELECINE_DATABASE_URL", self.variable)
            raise type(error)(f"the outbox: {message}", code=error.code, **error.data) from error

    @property
    def _is_own(self) -> bool:
        """True if the outbox is telecine's own table, whose rights ``telecine db upgrade`` grants."""
        return self.url is None and self.table == self.own_table
