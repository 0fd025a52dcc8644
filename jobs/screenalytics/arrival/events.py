"""Parse an outbox event into a candidate: its type, run id, and payload (``manifest_key``, ``manifest_sha256``)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from jobs.screenalytics.errors import Rejected, reject
from jobs.screenalytics.keys import RUN_ID, manifest_key, run_of
from jobs.screenalytics.model import ManifestRef
from shared.text import cut

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PAYLOAD_BYTES", "Arrival", "BadEvent", "Candidate", "Event", "parse_event"]

Arrival = Literal["event", "poll", "replay"]

COMPLETED: Final = "screenalytics.run.completed"
# A payload holds a key and a digest. Larger ones are not fetched at all.
PAYLOAD_BYTES: Final = 64 << 10
_RUN_ID: Final = re.compile(RUN_ID)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Event:
    """A row of the outbox.

    Attributes:
        event_id: a UUID; empty if the row has none, so that the row cannot be updated.
        event_type: only :data:`COMPLETED` is known; None in an outbox that allows NULL.
        aggregate_id: the run id; None in an outbox that allows NULL.
        payload: empty unless it is a JSON object.
        attempts: failed deliveries so far.
    """

    event_id: str
    event_type: str | None
    aggregate_id: str | None
    payload: Mapping[str, Any]
    attempts: int

    @property
    def name(self) -> str:
        """The event's name in messages: its id or, without one, its run."""
        return f"event {self.event_id}" if self.event_id else f"an event of run {cut(str(self.aggregate_id), 128)!r}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run that may have to be ingested.

    Attributes:
        ref: where its manifest should be.
        arrival: how it was found.
        event: the event that announced it, to be acknowledged.
        expected_sha256: digest of the manifest, if the event has it.
    """

    ref: ManifestRef
    arrival: Arrival
    event: Event | None = None
    expected_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class BadEvent:
    """An invalid event. It causes no request to the store."""

    event: Event
    error: Rejected


def parse_event(prefix: str, event: Event, payload: str | None, *, too_large: bool = False) -> Candidate | BadEvent:
    """Return the candidate that an event announces. Makes no request to the store.

    Args:
        prefix: the folder above ``runs/``.
        event: the row of the outbox, without its payload.
        payload: its JSON; None if the row has none, or if it exceeds :data:`PAYLOAD_BYTES`.
        too_large: True if the payload is larger.
    """
    try:
        for column, value in (
            ("event_id", event.event_id or None),
            ("event_type", event.event_type),
            ("aggregate_id", event.aggregate_id),
            ("payload_json", "" if too_large else payload),
        ):
            if value is None:
                raise reject("EVENT_INVALID", f"{event.name} has no {column}; expected a value in every column")
        if event.event_type != COMPLETED:
            raise reject(
                "UNKNOWN_EVENT",
                f"event {event.event_id} has the type {cut(str(event.event_type), 200)!r}; expected {COMPLETED}",
                expected=COMPLETED,
                actual=event.event_type,
            )
        event = replace(event, payload=_payload(event, payload))
        return _candidate(prefix, event)
    except Rejected as error:
        return BadEvent(event, error)


def _payload(event: Event, text: str | None) -> dict[str, Any]:
    if text is None:
        raise _invalid(event, f"a payload of more than {PAYLOAD_BYTES >> 10} KB")
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError) as error:  # jsonb allows numbers of 100,000 digits, and deep nesting
        raise _invalid(event, f"a payload that cannot be parsed: {error}") from None
    if not isinstance(payload, dict):
        raise _invalid(event, f"a payload of type {type(payload).__name__} instead of a JSON object")
    return payload


def _candidate(prefix: str, event: Event) -> Candidate:
    run_id, payload = event.aggregate_id or "", event.payload
    if not _RUN_ID.fullmatch(run_id):
        raise _invalid(event, f"the aggregate_id {cut(run_id, 128)!r}, which is not a valid run_id")
    valid = manifest_key(prefix, run_id)
    key = payload.get("manifest_key")
    if key is not None and key != valid:
        _refuse_key(event, prefix, key, valid)
    digest = payload.get("manifest_sha256")
    if digest is not None:
        digest = digest.lower() if isinstance(digest, str) else ""
        if not _SHA256.fullmatch(digest):
            raise _invalid(event, "a manifest_sha256 that is not 64 hexadecimal digits")
    return Candidate(ManifestRef(run_id, valid), "event", event, digest)


def _refuse_key(event: Event, prefix: str, key: Any, valid: str) -> None:
    """Raise the error for a key that is not the run's own."""
    if not isinstance(key, str):
        raise _invalid(event, f"a manifest_key of type {type(key).__name__} instead of text")
    other = run_of(key, prefix)
    raise reject(
        "KEY_ESCAPE" if other is None else "ID_MISMATCH",
        f"event {event.event_id} of run {event.aggregate_id} has the manifest_key {cut(key, 200)!r}; expected {valid},"
        " or another --prefix",
        expected=valid,
        actual=cut(key, 1024),
    )


def _invalid(event: Event, found: str) -> Rejected:
    return reject(
        "EVENT_INVALID",
        f"{event.name} has {found}; expected the run id as aggregate_id and a payload_json such as"
        ' {"manifest_key": "…", "manifest_sha256": "…"}, both optional',
    )
