"""Yield everything that has arrived: what events announced, then what a listing found."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Final

from jobs.viewership.arrival.delivery import deliver_dead, outbox
from jobs.viewership.arrival.events import URI_CHARS, Arrival, BadEvent, parse_event
from jobs.viewership.arrival.listing import listed
from jobs.viewership.errors import bad_arrival
from jobs.viewership.phases.keeping import key_below
from jobs.viewership.tables import arrivals as table
from jobs.viewership.uploads.formats.library import load_formats
from shared.database.session import transaction
from shared.errors import (
    DataError,
    EndpointUnreachable,
    ObjectMissing,
    RequestRefused,
    TransientError,
)
from shared.storage import FOLLOW_LINK, join_uri, open_store, resolved, split_uri
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.viewership.settings.uploads import ArrivalSettings, UploadSettings
    from shared.outbox.events import Event
    from shared.outbox.table import Outbox, Row
    from shared.storage import ObjectStore

__all__ = ["arrivals", "named_arrival"]

_LOG: Final = logging.getLogger(__name__)
# A million bad events of one producer must not keep a poll from the files that are listed after them.
_MOST_EVENTS: Final = 5000
# The listing skips files that later events name, so that they wait for their events; but only for this many events. To
# read more, a poll would take minutes, and 100 MB for their keys.
_MOST_NAMED: Final = 50_000


def arrivals(settings: UploadSettings) -> Iterator[Arrival | BadEvent]:
    """Yield what up to 5,000 events announced, oldest first, then up to 10,000 listed objects that no event named.

    Events of objects that are stored already are acknowledged; nothing else is written. If a producer's outbox does not
    answer, one :class:`BadEvent` without an event says so, and the listing continues.

    Args:
        settings: the bucket, the outbox and the folder of formats.

    Raises:
        ConfigurationError: the bucket, the database or the outbox is not set up.
        TransientError: the store or the database does not answer.
    """
    store = open_store(settings.bucket, settings)
    named: set[str] = set()
    events = settings.arrival in ("both", "events")
    if events:
        try:
            yield from _announced(settings, store, named)
        except TransientError as error:
            # Without telecine's own database, nothing else would work either.
            if (
                settings.arrival == "events"
                or settings.outbox_url is None
                or not error.message.startswith("the outbox")
            ):
                raise
            events = False
            yield BadEvent(None, error)
    if settings.arrival in ("both", "poll"):
        yield from listed(settings, store, named)
    if events:
        deliver_dead(settings)


def named_arrival(settings: ArrivalSettings, place: str) -> Arrival | None:
    """Return the arrival of an object that the user named; None if a poll would never find it.

    Args:
        settings: the bucket and the prefix.
        place: ``s3://bucket/key``, a path or ``file:///path``.
    """
    try:
        uri = join_uri(*split_uri(place))
    except ValueError:
        return None
    key = key_below(settings.bucket, uri) or key_below(settings.bucket, resolved(uri))
    if key is None or not key.startswith(settings.prefix):
        return None
    uri = join_uri(resolved(settings.bucket), key)
    try:
        info = open_store(settings.bucket, settings).stat(key)
    except DataError:
        return None
    return Arrival(uri, key, info.etag, info.size) if len(uri) <= URI_CHARS else None


def _announced(settings: UploadSettings, store: ObjectStore, named: set[str]) -> Iterator[Arrival | BadEvent]:
    formats = cache(lambda: load_formats(settings.formats_dir))
    box = outbox(settings)
    for count, row in enumerate(_pending(settings, box)):
        if isinstance(row, BadEvent):
            yield row
            return
        if count == _MOST_EVENTS:
            _LOG.warning("more than %s events are pending; the next poll takes the rest", f"{_MOST_EVENTS:,}")
        if count >= _MOST_EVENTS + _MOST_NAMED:
            return
        found = parse_event(settings.bucket, row.event, row.text, too_large=row.too_large, formats=formats)
        if found.key is not None:
            named.add(found.key)
        if count >= _MOST_EVENTS:
            continue
        if isinstance(found, Arrival):
            found = _stat(settings, store, _permitted(settings, found, row.event), row.event)
        if isinstance(found, Arrival):
            found = _unless_interrupted(settings, found, row.event)
        if isinstance(found, Arrival) and _is_known(settings, found):
            _LOG.info("%s: %s is stored already", row.event.name, one_line(found.uri))
            box.acknowledge(row.event)
        else:
            yield found


def _pending(settings: UploadSettings, box: Outbox) -> Iterator[Row | BadEvent]:
    """Yield the pending events; if a producer's outbox does not answer, end with a :class:`BadEvent` that says so."""
    rows = box.pending()
    while True:
        try:
            row = next(rows, None)
        except TransientError as error:
            # Without telecine's own database, nothing else would work either.
            if settings.arrival == "events" or settings.outbox_url is None:
                raise
            yield BadEvent(None, error)
            return
        if row is None:
            return
        yield row


def _permitted(settings: UploadSettings, arrival: Arrival, event: Event) -> Arrival:
    """Return the arrival, without its ``on_overlap`` unless the operator lets events decide."""
    if settings.event_overlap == "follow" or "on_overlap" not in arrival.overrides:
        return arrival
    _LOG.warning("%s: its on_overlap is ignored; pass --event-overlap follow to let events decide", event.name)
    kept = {name: value for name, value in arrival.overrides.items() if name != "on_overlap"}
    return replace(arrival, overrides=kept)


def _stat(settings: UploadSettings, store: ObjectStore, arrival: Arrival, event: Event) -> Arrival | BadEvent:
    """Return the arrival with the object's version, or the event as bad if the object cannot be read."""
    try:
        info = store.stat(arrival.key)
    except ObjectMissing:
        code, found = "NOT_YET", "does not exist"
    except DataError as error:
        code, found = "KEY_ESCAPE", f"cannot be a key: {one_line(error.message)}"
    except RequestRefused as error:
        if error.data.get("action") == FOLLOW_LINK:
            code, found = "KEY_ESCAPE", "is a link that points outside the bucket"
        else:
            # If the store refuses everything, the event is not the cause, and the listing raises.
            next(iter(store.list(settings.prefix)), None)
            code, found = "NOT_READABLE", f"is refused: {one_line(error.message)}"
    except EndpointUnreachable:
        raise
    except TransientError as error:
        return BadEvent(event, error, arrival.key)
    else:
        if info.size:
            return replace(arrival, etag=info.etag, size=info.size)
        code, found = "NOT_YET", "is empty"
    return _bad(event, arrival, code, found)


def _unless_interrupted(settings: UploadSettings, arrival: Arrival, event: Event) -> Arrival | BadEvent:
    with transaction(settings) as session:
        if not table.interrupted(session, arrival.uri, arrival.etag, settings.max_attempts):
            return arrival
    return _bad(event, arrival, "INTERRUPTED", f"was being read when {settings.max_attempts} steps died")


def _bad(event: Event, arrival: Arrival, code: str, found: str) -> BadEvent:
    message = f"{event.name} names {one_line(arrival.uri)}, which {found}; expected an object that can be read"
    return BadEvent(event, bad_arrival(code, message, actual=arrival.key), arrival.key)


def _is_known(settings: UploadSettings, arrival: Arrival) -> bool:
    """Return whether the object was taken with this ETag, and the event asks for nothing else."""
    if arrival.overrides:
        return False
    with transaction(settings) as session:
        return table.taken(session, [arrival.uri], outcomes=["taken"]).get(arrival.uri) == arrival.etag
