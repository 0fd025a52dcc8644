"""An event of an outbox, and the checks that every pipeline makes on it before it reads the payload's fields."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shared.text import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.errors import TelecineError

__all__ = ["PAYLOAD_BYTES", "Contract", "Event", "invalid", "read_payload"]

# A payload holds a key, a digest and a few choices. Larger ones are not fetched at all.
PAYLOAD_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Event:
    """A row of the outbox.

    Attributes:
        event_id: a UUID; empty if the row has none, so that the row cannot be updated.
        event_type: what happened; None in an outbox that allows NULL.
        aggregate_id: what it happened to; None in an outbox that allows NULL.
        payload: empty unless it is a JSON object.
        attempts: failed deliveries so far.
        subject: the pipeline's word for what ``aggregate_id`` names.
    """

    event_id: str
    event_type: str | None
    aggregate_id: str | None
    payload: Mapping[str, Any]
    attempts: int
    subject: str = "run"

    @property
    def name(self) -> str:
        """The event's name in messages: its id or, without one, its subject."""
        if self.event_id:
            return f"event {self.event_id}"
        return f"an event of {self.subject} {cut(str(self.aggregate_id), 128)!r}"


@dataclass(frozen=True, slots=True)
class Contract:
    """The one type of event that a pipeline understands, and how it refuses others.

    Attributes:
        event_type: the type.
        expected: what a valid event has, for messages.
        refuse: returns the error for a code (``EVENT_INVALID``, ``UNKNOWN_EVENT``), a message and facts.
    """

    event_type: str
    expected: str
    refuse: Callable[..., TelecineError]


def read_payload(contract: Contract, event: Event, text: str | None, *, too_large: bool = False) -> dict[str, Any]:
    """Return the payload of an event as a JSON object.

    Args:
        contract: the type that is expected.
        event: the row of the outbox.
        text: its JSON; None if the row has none, or if it exceeds :data:`PAYLOAD_BYTES`.
        too_large: True if the payload is larger.

    Raises:
        TelecineError: from the contract; ``EVENT_INVALID`` or ``UNKNOWN_EVENT``.
    """
    for column, value in (
        ("event_id", event.event_id or None),
        ("event_type", event.event_type),
        ("aggregate_id", event.aggregate_id),
        ("payload_json", "" if too_large else text),
    ):
        if value is None:
            message = f"{event.name} has no {column}; expected a value in every column"
            raise contract.refuse("EVENT_INVALID", message)
    if event.event_type != contract.event_type:
        raise contract.refuse(
            "UNKNOWN_EVENT",
            f"event {event.event_id} has the type {cut(str(event.event_type), 200)!r}; expected {contract.event_type}",
            expected=contract.event_type,
            actual=event.event_type,
        )
    if text is None:
        raise invalid(contract, event, f"a payload of more than {PAYLOAD_BYTES >> 10} KB")
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError) as error:  # jsonb allows numbers of 100,000 digits, and deep nesting
        raise invalid(contract, event, f"a payload that cannot be parsed: {error}") from None
    if not isinstance(payload, dict):
        raise invalid(contract, event, f"a payload of type {type(payload).__name__} instead of a JSON object")
    return payload


def invalid(contract: Contract, event: Event, found: str) -> TelecineError:
    """Return the error for an event whose content is wrong.

    Args:
        contract: the type that is expected.
        event: the event.
        found: what it has instead, such as ``a payload that cannot be parsed``.
    """
    return contract.refuse("EVENT_INVALID", f"{event.name} has {found}; expected {contract.expected}")
