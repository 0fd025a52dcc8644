"""The outbox of Screenalytics: its pending events as candidates, those set aside, and the record of their delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.screenalytics.arrival.events import BadEvent, Candidate, Event, parse_event
from shared.outbox.table import Outbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.screenalytics.settings import IngestSettings
    from shared.errors import TelecineError
    from shared.outbox.table import Row

__all__ = [
    "BadEvent",
    "Candidate",
    "Event",
    "acknowledge",
    "dead_events",
    "fail_event",
    "outbox",
]

_OWN: Final = "screenalytics.outbox_events"
_VARIABLE: Final = "TELECINE_SCREENALYTICS_OUTBOX_URL"


def outbox(settings: IngestSettings) -> Iterator[Candidate | BadEvent]:
    """Yield the pending events of the outbox, oldest first, except those that failed ``max_attempts`` times.

    Args:
        settings: the outbox table and its database.

    Raises:
        ConfigurationError: the table does not exist, or lacks a column.
        TelecineError: see :func:`shared.database.session.transaction`.
    """
    for row in _outbox(settings).pending():
        yield _parsed(settings, row)


def dead_events(settings: IngestSettings) -> Iterator[list[Candidate]]:
    """Yield pages of valid events that failed ``max_attempts`` times.

    Args:
        settings: the outbox table and its database.

    Raises:
        ConfigurationError: the table does not exist, or lacks a column.
        TelecineError: see :func:`shared.database.session.transaction`.
    """
    for page in _outbox(settings).dead():
        yield [each for each in (_parsed(settings, row) for row in page) if isinstance(each, Candidate)]


def acknowledge(settings: IngestSettings, event: Event) -> None:
    """Mark an event as delivered; idempotent."""
    _outbox(settings).acknowledge(event)


def fail_event(settings: IngestSettings, event: Event, error: TelecineError) -> bool:
    """Count a failed delivery, and return True if the event is now set aside.

    Args:
        settings: settings with the limit ``max_attempts``.
        event: the event.
        error: the reason for the failure.
    """
    return _outbox(settings).fail(event, error)


def _parsed(settings: IngestSettings, row: Row) -> Candidate | BadEvent:
    return parse_event(settings.prefix, row.event, row.text, too_large=row.too_large)


def _outbox(settings: IngestSettings) -> Outbox:
    return Outbox(
        settings,
        table=settings.outbox_table,
        own_table=_OWN,
        url=settings.outbox_url,
        variable=_VARIABLE,
        max_attempts=settings.max_attempts,
    )
