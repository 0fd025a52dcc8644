"""Read cast_screentime.v1, ``person_metrics.json``: a list with one entry per person; ids are UUIDs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.contract.kinds._row import Row
from jobs.screenalytics.contract.kinds.artifact import ArtifactMetrics, check_duration
from jobs.screenalytics.contract.validated import shown, unknown_fields
from jobs.screenalytics.model import CastMetric, canonical_uuid

if TYPE_CHECKING:
    from jobs.screenalytics.contract.kinds.artifact import ArtifactContext

__all__ = ["read"]

_FIELDS: Final = frozenset(("person_id", "screen_time_seconds", "frame_count", "confidence_avg", "metadata"))


def read(document: Any, context: ArtifactContext) -> ArtifactMetrics:
    """Return the metrics in a person_metrics.json: ids are UUIDs of the catalogue, and the only time is on screen.

    Raises:
        Rejected: the file is invalid; with the JSON pointer of the error.
    """
    if not isinstance(document, list):
        raise context.error("FIELD_INVALID", f"its top level is {shown(document)}; expected a list of persons")
    persons: dict[str, CastMetric] = {}
    unknown: set[str] = set()
    for number, entry in enumerate(document):
        row = Row(entry, context, number)
        person = _entry(row, context, number)
        if persons.setdefault(person.person_id, person) is not person:
            raise context.error("DUPLICATE_PERSON", f"person {person.person_id!r} appears twice", row.at("person_id"))
        check_duration(person.as_person(), context, row.at("screen_time_seconds"))
        unknown |= row.names() - _FIELDS
    warnings = unknown_fields(f"artifact {context.artifact_key!r}", unknown)
    entries = tuple(persons.values())
    return ArtifactMetrics(tuple(person.as_person() for person in entries), entries, warnings)


def _entry(row: Row, context: ArtifactContext, number: int) -> CastMetric:
    person_id = row.person_id()
    if person_id is None or canonical_uuid(person_id) is None:
        code = "FIELD_MISSING" if "person_id" not in row.names() else "PERSON_ID_INVALID"
        message = f"{row.at('person_id')} is {shown(person_id)}; expected a UUID"
        raise context.error(code, message, row.at("person_id"), expected="a uuid", actual=shown(person_id))
    row.count("frame_count")
    metadata = row.inner("metadata")
    if metadata is not None:
        metadata.count("segment_count")
    return CastMetric(
        artifact_key=context.artifact_key,
        entry=number,
        person_id=person_id,
        cast_id=None,
        name=None if metadata is None else metadata.name("display_name"),
        onscreen_ms=row.ms("screen_time_seconds", required=True) or 0,
        speaking_ms=None,
        confessional_ms=None,
        body_ms=None,
        confidence=row.confidence("confidence_avg", required=False),
    )
