"""Read screentime.v1, ``analytics/screentime.json``: one entry per cast, one row per person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.contract.kinds._persons import merge_casts, read_timeline
from jobs.screenalytics.contract.kinds._row import MAX_ID_BYTES, Row, to_ms
from jobs.screenalytics.contract.kinds.artifact import ArtifactMetrics, check_duration
from jobs.screenalytics.contract.validated import unknown_fields
from jobs.screenalytics.model import CastMetric
from shared.text import cut

if TYPE_CHECKING:
    from jobs.screenalytics.contract.kinds.artifact import ArtifactContext

__all__ = ["read"]

_TOP: Final = frozenset(
    ("episode_id", "run_id", "generated_at", "diagnostics", "metadata", "math", "metrics", "timeline")
)
_SECONDS: Final = (
    *("face_visible_seconds", "body_visible_seconds", "body_only_seconds", "gap_bridged_seconds"),
    *("visual_s", "speaking_s", "both_s", "confessional_s"),
)
_CAST: Final = "cast:"
_COUNTS: Final = ("tracks_count", "faces_count")
_FIELDS: Final = frozenset(("name", "cast_id", "person_id", "confidence", *_SECONDS, *_COUNTS))


def read(document: Any, context: ArtifactContext) -> ArtifactMetrics:
    """Return the metrics in a screentime.json.

    Time on screen is ``visual_s``, or ``face_visible_seconds`` in old files; if both exist, they must be equal.
    Speaking time is None unless ``diagnostics.speaking_time_computed`` is true, because the producer otherwise writes
    0.0. Body time is None unless both flags in ``metadata`` are true. ``both_s`` is reserved, always 0.0, and ignored.
    Confessional time is None unless an entry has ``confessional_s``, which no producer has written so far. A person
    under several casts becomes one row; see :func:`~jobs.screenalytics.contract.kinds._persons.merge_casts`.

    Raises:
        Rejected: the file is invalid; with the JSON pointer of the error.
    """
    top = Row(document, context)
    _check_ids(top, context)
    diagnostics, metadata = top.inner("diagnostics"), top.inner("metadata")
    computed = diagnostics is not None and diagnostics.flag("speaking_time_computed") is True
    enabled = metadata is not None and metadata.flag("body_tracking_enabled") is True
    available = metadata is not None and metadata.flag("body_metrics_available") is True
    entries = top.get("metrics")
    if not isinstance(entries, list):
        code = "FIELD_INVALID" if "metrics" in top.names() else "FIELD_MISSING"
        raise context.error(code, "/metrics is not a list; expected a list, empty if nobody was seen", "/metrics")
    casts: list[CastMetric] = []
    persons: dict[str, dict[str | None, CastMetric]] = {}
    unknown: set[str] = set()
    for number, entry in enumerate(entries):
        row = Row(entry, context, "metrics", number)
        cast = _entry(row, context, number, speaking=computed, body=enabled and available)
        of_person = persons.setdefault(cast.person_id, {})
        if cast.cast_id in of_person:
            message = f"person {cast.person_id!r} appears twice under cast {cast.cast_id!r}"
            raise context.error("DUPLICATE_PERSON", message, row.at("person_id"))
        of_person[cast.cast_id] = cast
        casts.append(cast)
        unknown |= row.names() - _FIELDS
    timeline = read_timeline(top.get("timeline")) if len(persons) < len(casts) else {}
    metrics, warnings = [], []
    for of_person in persons.values():
        metric, warned = merge_casts(list(of_person.values()), timeline, context)
        check_duration(metric, context, "/metrics")
        metrics.append(metric)
        warnings += [] if warned is None else [warned]
    name = f"artifact {context.artifact_key!r}"
    warnings += unknown_fields(name, top.names() - _TOP)
    warnings += unknown_fields(f"{name}, metrics", unknown)
    return ArtifactMetrics(tuple(metrics), tuple(casts), tuple(warnings))


def _check_ids(top: Row, context: ArtifactContext) -> None:
    """Compare the ids in the file with the manifest's. In old files run_id is null, and some have no episode_id."""
    for name, expected in (("run_id", context.run_id), ("episode_id", context.ep_id)):
        actual = top.get(name)
        if actual is not None and actual != expected:
            message = f"its {name} is {cut(str(actual), 80)!r}; expected {expected!r}, as in the manifest"
            raise context.error("ID_MISMATCH", message, top.at(name), expected=expected, actual=cut(str(actual), 80))


def _entry(row: Row, context: ArtifactContext, number: int, *, speaking: bool, body: bool) -> CastMetric:
    cast_id = row.identifier("cast_id", max_bytes=MAX_ID_BYTES - len(_CAST))
    person_id = row.person_id()
    if person_id is None:
        # The producer itself names casts without a person in this way.
        if cast_id is None:
            raise context.error(
                "PERSON_ID_INVALID", f"{row.at()} has neither person_id nor cast_id", row.at("person_id")
            )
        person_id = _CAST + cast_id
    seconds = {name: row.seconds(name) for name in _SECONDS}
    for name in _COUNTS:
        row.count(name)
    face, visual = seconds["face_visible_seconds"], seconds["visual_s"]
    if visual is None and face is None:
        row.seconds("visual_s", required=True)
    if visual is not None and face is not None and visual != face:
        message = f"{row.at()} has visual_s = {visual} but face_visible_seconds = {face}; expected the same time"
        raise context.error("INCONSISTENT", message, row.at("visual_s"), expected=str(face), actual=str(visual))
    return CastMetric(
        artifact_key=context.artifact_key,
        entry=number,
        person_id=person_id,
        cast_id=cast_id,
        name=row.name("name"),
        onscreen_ms=to_ms((face or 0) if visual is None else visual),
        speaking_ms=row.ms("speaking_s", required=True) if speaking else None,
        confessional_ms=row.ms("confessional_s"),
        body_ms=row.ms("body_visible_seconds", required=True) if body else None,
        confidence=row.confidence("confidence", required=True),
    )
