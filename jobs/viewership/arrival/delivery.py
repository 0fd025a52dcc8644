"""Record the outcome of an arrival, and mark its event as delivered or failed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from jobs.viewership.arrival.events import Arrival, BadEvent, parse_event
from jobs.viewership.errors import BadArrival
from jobs.viewership.tables import arrivals
from shared.database.session import retry_session, transaction
from shared.errors import (
    ConfigurationError,
    DatabaseUnreachable,
    EndpointUnreachable,
    RequestRefused,
    StorageFull,
    TransientError,
)
from shared.outbox.table import Outbox
from shared.text import clean_text

if TYPE_CHECKING:
    from jobs.viewership.settings.uploads import ArrivalSettings
    from jobs.viewership.tables.arrivals import Outcome
    from shared.errors import TelecineError

__all__ = ["begin", "deliver_dead", "ends_the_poll", "is_counted", "outbox", "refuse_event", "settle"]

_LOG: Final = logging.getLogger(__name__)
_OWN: Final = "viewership.outbox_events"
_VARIABLE: Final = "TELECINE_VIEWERSHIP_OUTBOX_URL"
_CODE_CHARS: Final = 100
# If an outcome is lost, the object is read again and linked.
_RETRY_S: Final = 10.0
# A poll starts every minute, and reads this many in a few seconds.
_MOST_DEAD: Final = 10_000


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


def ends_the_poll(error: TelecineError) -> bool:
    """Return whether every other object would hit this error too, so that it settles none of them."""
    if isinstance(error, ConfigurationError):
        # One object may be archived, or encrypted with another key.
        return not isinstance(error, RequestRefused)
    return isinstance(error, DatabaseUnreachable | EndpointUnreachable | StorageFull)


def is_counted(error: TelecineError) -> bool:
    """Return whether an error counts as an attempt; otherwise the next poll just retries the object.

    Missing permissions and short outages are not the object's fault: once they are fixed, nothing has to be reset.
    """
    return not isinstance(error, TransientError | RequestRefused)


def begin(settings: ArrivalSettings, arrival: Arrival, run_id: str) -> None:
    """Count an attempt before an object is read, so that one that kills the process is eventually set aside.

    Raises:
        TransientError: the database does not answer.
    """
    with transaction(settings) as session:
        arrivals.begin(session, arrival.uri, arrival.etag, arrival.size, run_id)


def settle(
    settings: ArrivalSettings,
    arrival: Arrival,
    outcome: Outcome,
    *,
    upload_id: int | None,
    code: str | None,
    message: str | None,
    run_id: str,
    counted: bool = True,
) -> bool:
    """Record the outcome of an arrival, then of its event, and return True if it is now set aside.

    An event is delivered once its object is taken, waits or is refused: a retry would not change that.
    A failure is counted for the object and for its event. After a crash between the two records, the event is
    delivered again, and its object is linked.

    Args:
        settings: the database, the outbox and the number of attempts.
        arrival: the object, with the ETag that was read.
        outcome: its outcome.
        upload_id: the upload; None if no row was written.
        code: the reason, unless it was taken.
        message: what the user should do.
        run_id: the run.
        counted: False for a failure that is not the object's fault; its event is unchanged.

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
            counted=counted,
        ),
        _RETRY_S,
        waiting="the record of arrivals",
    )
    aside = failures >= settings.max_attempts
    if arrival.event is not None and counted:
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
    """Mark set-aside events as delivered if their object has been taken since, such as by the listing.

    If there are more than 10,000, each call starts at a random one.
    """
    box = outbox(settings)
    try:
        for page in box.dead(_MOST_DEAD):
            parsed = [parse_event(settings.bucket, row.event, row.text, too_large=row.too_large) for row in page]
            found = [each for each in parsed if isinstance(each, Arrival)]
            with transaction(settings) as session:
                taken = arrivals.taken(session, [each.uri for each in found], outcomes=["taken"])
            for each in found:
                if each.uri in taken and each.event is not None:
                    box.acknowledge(each.event)
    except TransientError as error:
        # Everything else is done, and the next poll delivers these events.
        _LOG.warning("events that were set aside could not be marked as delivered: %s", error)
