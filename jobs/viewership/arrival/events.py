"""Parse an outbox event into an arrival: the object, its digest, and the flags for reading it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from jobs.viewership.errors import BadArrival, bad_arrival
from jobs.viewership.model import FIELDS
from jobs.viewership.phases.keeping import key_below
from jobs.viewership.settings.formats import FormatsSettings, InterpretationSettings
from jobs.viewership.settings.uploads import UploadSettings
from jobs.viewership.uploads.formats.library import find_format
from jobs.viewership.uploads.values.period import Period
from shared.errors import DataError, UsageError
from shared.outbox.events import Contract, Event, invalid, read_payload
from shared.storage import check_key, join_uri, resolved
from shared.text import clean_text, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobs.viewership.uploads.formats.model import Format
    from shared.errors import TelecineError

__all__ = ["ARRIVED", "URI_CHARS", "Arrival", "BadEvent", "parse_event"]

ARRIVED: Final = "viewership.upload.arrived"
URI_CHARS: Final = 2048
"""Longest URI that an arrival can have."""

_CONTRACT: Final = Contract(
    ARRIVED,
    'an aggregate_id of 1 to 128 characters and a payload_json such as {"key": "uploads/roku.csv", "period":'
    ' "2025-07"}; see docs/viewership-arrivals.md',
    bad_arrival,
)
_ID_CHARS: Final = 128
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# The choices open to a producer. The folder of formats is not one: a payload never names a path on this machine.
_CHOICES: Final = tuple(
    name for name in InterpretationSettings.model_fields if name not in FormatsSettings.model_fields
)


def _rules(*names: str) -> dict[str, Any]:
    """Return fields with the types and checks of the settings of these names, none of them required."""
    return {name: (UploadSettings.model_fields[name].rebuild_annotation(), None) for name in names}


_CLOSED: Final = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)
_Choices: Final[type[BaseModel]] = create_model("_Choices", __config__=_CLOSED, **_rules(*_CHOICES))
_Payload: Final[type[BaseModel]] = create_model(
    "_Payload",
    __config__=_CLOSED,
    uri=(str | None, None),
    key=(str | None, None),
    sha256=(str | None, None),
    choices=(_Choices, Field(default_factory=_Choices)),
    **_rules("format", "period", "domain", "on_overlap"),
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An object that has arrived.

    Attributes:
        uri: URI of the object.
        key: its key in the bucket.
        etag: its version; empty until the store is queried.
        size: bytes.
        event: the event that announced it; None if a listing found it, or a user named it.
        overrides: settings -> values that the event chose, for ``settings.model_copy(update=…)``.
        sha256: digest of the bytes, if the event has one; other bytes are a ``SHA256_MISMATCH``.
    """

    uri: str
    key: str
    etag: str = ""
    size: int = 0
    event: Event | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class BadEvent:
    """An event that announces no usable object, or an outbox that does not answer.

    Attributes:
        event: the event; None if the outbox itself failed, in which case its events wait for the next poll.
        error: the reason. A transient one is not counted as an attempt.
        key: the object that the event means, if known; until the event is settled, the listing skips it.
    """

    event: Event | None
    error: TelecineError
    key: str | None = None


def parse_event(
    bucket: str,
    event: Event,
    text: str | None,
    *,
    too_large: bool = False,
    formats: Callable[[], Mapping[str, Format]] | None = None,
) -> Arrival | BadEvent:
    """Return the arrival that an event announces. Makes no request to the store.

    Args:
        bucket: URI of the bucket that must hold the object.
        event: the row of the outbox, without its payload.
        text: the payload's JSON; None if the row has none, or if it is too large.
        too_large: True if the payload is larger than 64 KB.
        formats: returns the known formats; without it, the name of a format is not looked up.
    """
    key: str | None = None
    try:
        payload = read_payload(_CONTRACT, event, text, too_large=too_large)
        if not 1 <= len(event.aggregate_id or "") <= _ID_CHARS:
            raise invalid(_CONTRACT, event, f"an aggregate_id of {len(event.aggregate_id or '')} characters")
        event = Event(event.event_id, event.event_type, event.aggregate_id, payload, event.attempts, event.subject)
        key = _key(bucket, event)
        values = _validated(event)
        overrides = _overrides(event, values, formats)
        return Arrival(
            join_uri(resolved(bucket), key), key, event=event, overrides=overrides, sha256=_digest(event, values)
        )
    except BadArrival as error:
        return BadEvent(event, error, key)


def _key(bucket: str, event: Event) -> str:
    """Return the key of the object, from ``uri`` or ``key``."""
    uri, key = event.payload.get("uri"), event.payload.get("key")
    if (uri is None) == (key is None):
        raise invalid(
            _CONTRACT, event, f"{'neither' if uri is None else 'both'} uri {'nor' if uri is None else 'and'} key"
        )
    place = key if uri is None else uri
    if not isinstance(place, str):
        raise invalid(_CONTRACT, event, f"a {'key' if uri is None else 'uri'} of type {type(place).__name__}")
    key = place if uri is None else _below(bucket, event, place)
    try:
        check_key(bucket, key, as_path=True)
    except DataError as error:
        raise _escape(bucket, event, place, f"; {error.message.rpartition(': ')[2]}") from None
    if _CONTROLS.search(key):
        raise _escape(bucket, event, place, "; it has a control character")
    if len(join_uri(resolved(bucket), key)) > URI_CHARS:
        raise invalid(_CONTRACT, event, f"the URI of more than {URI_CHARS} characters")
    return key


def _below(bucket: str, event: Event, uri: str) -> str:
    """Return the key of a URI in the bucket; it is compared as text, and nothing is decoded."""
    if not uri.startswith(("s3://", "file:///")):
        raise invalid(_CONTRACT, event, f"the uri {_shown(uri)} instead of s3://bucket/key or file:///path")
    key = key_below(bucket, uri)
    if key is None:
        raise _escape(bucket, event, uri, "")
    return key


def _escape(bucket: str, event: Event, place: str, why: str) -> BadArrival:
    return bad_arrival(
        "KEY_ESCAPE",
        f"{event.name} names {_shown(place)}{why}; expected an object in {bucket}, or another --bucket",
        actual=_shown(place),
    )


def _validated(event: Event) -> dict[str, Any]:
    """Return the payload's values, checked by the rules of the flags; without those that are null."""
    try:
        model = _Payload.model_validate_json(json.dumps(event.payload))
    except (ValidationError, ValueError) as error:
        raise invalid(_CONTRACT, event, f"a payload that is not valid: {_first(error)}") from None
    values = model.model_dump(exclude_unset=True)
    # Choices end up in commands that users paste. A tab is valid only as the delimiter.
    for text in _texts(values):
        if _CONTROLS.search(text) and not (text == "\t" and text == values.get("choices", {}).get("delimiter")):
            raise invalid(_CONTRACT, event, "a payload with a control character")
    return values


def _first(error: ValueError) -> str:
    """Return the first problem of a payload; names and values are the producer's."""
    if not isinstance(error, ValidationError):
        return one_line(clean_text(str(error), 300))
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, found["loc"]))
    return one_line(clean_text(f"{place}: {found['msg']}" if place else found["msg"], 300))


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    if isinstance(value, list | tuple):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []


def _overrides(
    event: Event, values: dict[str, Any], formats: Callable[[], Mapping[str, Format]] | None
) -> dict[str, Any]:
    """Return the settings that an event chose."""
    chosen = {name: value for name, value in values.get("choices", {}).items() if value is not None}
    for name in ("format", "period", "domain", "on_overlap"):
        value = values.get(name)
        if value is None:
            continue
        if chosen.get(name, value) != value:
            raise invalid(_CONTRACT, event, f"two values of {name}")
        chosen[name] = value
    try:
        if "period" in chosen:
            Period.parse(chosen["period"])
        if "format" in chosen and formats is not None:
            find_format(chosen["format"], formats())
    except (ValueError, UsageError) as error:
        raise invalid(
            _CONTRACT, event, f"a choice that is not valid: {one_line(clean_text(str(error), 300))}"
        ) from None
    _check_map(event, chosen.get("map", ()))
    return chosen


def _check_map(event: Event, pairs: tuple[str, ...]) -> None:
    fields = [pair.partition("=")[0].strip() for pair in pairs]
    for name in fields:
        if name not in FIELDS:
            raise invalid(_CONTRACT, event, f"a map of {_shown(name)}, which is not a field")
        if fields.count(name) > 1:
            raise invalid(_CONTRACT, event, f"a map that names the field {name!r} twice")


def _digest(event: Event, values: dict[str, Any]) -> str | None:
    digest = values.get("sha256")
    if digest is None:
        return None
    if not _SHA256.fullmatch(digest.lower()):
        raise invalid(_CONTRACT, event, "a sha256 that is not 64 hexadecimal digits")
    return str(digest.lower())


def _shown(text: str) -> str:
    """Return a producer's text in quotes, without secrets."""
    return f"'{one_line(clean_text(text, 200))}'"
