"""Parse an outbox event into a candidate: its type, run id, and payload (``manifest_key``, ``manifest_sha256``)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from jobs.screenalytics.errors import Rejected, reject
from jobs.screenalytics.keys import RUN_ID, manifest_key, run_of
from jobs.screenalytics.model import ManifestRef
from shared.outbox.events import Contract, Event, invalid, read_payload
from shared.text import cut

if TYPE_CHECKING:
    from shared.errors import TelecineError

__all__ = ["Arrival", "BadEvent", "Candidate", "Event", "parse_event"]

Arrival = Literal["event", "poll", "replay"]

COMPLETED: Final = "screenalytics.run.completed"
_CONTRACT: Final = Contract(
    COMPLETED,
    'the run id as aggregate_id and a payload_json such as {"manifest_key": "…", "manifest_sha256": "…"}, both'
    " optional",
    reject,
)
_RUN_ID: Final = re.compile(RUN_ID)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


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
        payload: its JSON; None if the row has none, or if it exceeds 64 KB.
        too_large: True if the payload is larger.
    """
    try:
        event = replace(event, payload=read_payload(_CONTRACT, event, payload, too_large=too_large))
        return _candidate(prefix, event)
    except Rejected as error:
        return BadEvent(event, error)


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


def _invalid(event: Event, found: str) -> TelecineError:
    return invalid(_CONTRACT, event, found)
