"""Record what became of an arrival, and mark its event as delivered or failed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from jobs.viewership.arrival.events import Arrival, BadEvent, parse_event
from jobs.viewership.errors import BadArrival
from jobs.viewership.tables import arrivals
from shared.database.session import retry_session, transaction
from shared.errors import TransientError
from shared.outbox.table import Outbox
from shared.text import clean_text

if TYPE_CHECKING:
    from jobs.viewership.settings.uploads import ArrivalSettings
    from jobs.viewership.tables.arrivals import Outcome

__all__ = ["deliver_dead", "outbox", "refuse_event", "settle"]

_LOG: Final = logging.getLogger(__name__)
_OWN: Final = "viewership.outbox_events"
_VARIABLE: Final = "TELECINE_VIEWERSHIP_OUTBOX_URL"
_CODE_CHARS: Final = 100
# An outcome that is lost means that the object is read once more, and linked.
_RETRY_S: Final = 10.0


def outbox(settings: ArrivalSettings) -> Outbox:
    """Return the outbox that the settings name."""
    return Outbox(
        settings,
        table=settings.outbox_table,
        own_table=_OWN,
        url=settings.outbox_url,
        variable=_VARIABLE,
        max_attempts=settings.max_attempts,
        subject="upload",
    )


def settle(
    settings: ArrivalSettings,
    arrival: Arrival,
    outcome: Outcome,
    *,
    upload_id: int | None,
    code: str | None,
    message: str | None,
    run_id: str,
) -> bool:
    """Record the outcome of an arrival, then of its event, and return True if it is now set aside.

    An event is delivered once its object is taken, waits or is refused: trying it again would change none of them.
    A failure is counted for the object and for its event. A crash between the two records means that the event comes
    again, and its object is linked.

    Args:
        settings: the database, the outbox and the number of attempts.
        arrival: the object, with the ETag that was read.
        outcome: what became of it.
        upload_id: the upload; None if no row was written.
        code: the reason, unless it was taken.
        message: what a person should do.
        run_id: the run.

    Raises:
        TransientError: the database or the outbox does not answer.
    """
    clean = None if message is None else clean_text(message)
    short = None if code is None else clean_text(code, _CODE_CHARS)
    failures = retry_session(
        settings,
        lambda session: arrivals.record(
            session,
            arrival.uri,
            arrival.etag,
            arrival.size,
            outcome,
            upload_id=upload_id,
            code=short,
            message=clean,
            run_id=run_id,
        ),
        _RETRY_S,
        waiting="the record of arrivals",
    )
    aside = failures >= settings.max_attempts
    if arrival.event is not None:
        box = outbox(settings)
        if outcome == "failed":
            aside = box.fail(arrival.event, BadArrival(clean or "the upload failed", code=short)) or aside
        else:
            box.acknowledge(arrival.event)
    return aside


def refuse_event(settings: ArrivalSettings, bad: BadEvent) -> bool:
    """Count the failure of an event, and return True if it is now set aside; a transient failure is not counted."""
    if bad.event is None or isinstance(bad.error, TransientError):
        return False
    return outbox(settings).fail(bad.event, bad.error)


def deliver_dead(settings: ArrivalSettings) -> None:
    """Mark events that were set aside as delivered if their object was taken since, such as by the listing."""
    box = outbox(settings)
    try:
        for page in box.dead():
            parsed = [parse_event(settings.bucket, row.event, row.text, too_large=row.too_large) for row in page]
            found = [each for each in parsed if isinstance(each, Arrival)]
            with transaction(settings) as session:
                taken = arrivals.taken(session, [each.uri for each in found], outcomes=["taken"])
            for each in found:
                if each.uri in taken and each.event is not None:
                    box.acknowledge(each.event)
    except TransientError as error:
        # Everything else has been done, and the next poll delivers these events.
        _LOG.warning("events that were set aside are not marked as delivered: %s", error)
