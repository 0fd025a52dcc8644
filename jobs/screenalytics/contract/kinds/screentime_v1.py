"""Read screentime.v1, ``analytics/screentime.json``: one entry per cast; merge a person's casts (``MERGED_CASTS``)."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.contract.kinds._row import MAX_ID_BYTES, Row, to_ms
from jobs.screenalytics.contract.kinds.artifact import ArtifactMetrics, check_duration
from jobs.screenalytics.contract.validated import unknown_fields
from jobs.screenalytics.model import PersonMetric, RunWarning
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable

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
_WARNING_CHARS: Final = 500
_COUNTS: Final = ("tracks_count", "faces_count")
_FIELDS: Final = frozenset(("name", "cast_id", "person_id", "confidence", *_SECONDS, *_COUNTS))


def read(document: Any, context: ArtifactContext) -> ArtifactMetrics:
    """Return the metrics in a screentime.json.

    The time on screen is ``visual_s``, or ``face_visible_seconds`` in old files; if both exist, they must be equal.
    Speaking time is None if ``diagnostics.speaking_time_computed`` is false, because the producer then writes 0.0. Body
    time is None unless both flags in ``metadata`` are true. ``both_s`` is reserved, always 0.0, and ignored.
    Confessional time is None unless an entry has ``confessional_s``, which no producer has written so far. A person
    under several casts becomes one row; see ``_merged``.

    Raises:
        Rejected: the file is invalid; with the JSON pointer of the error.
    """
    top = Row(document, context)
    _check_ids(top, context)
    diagnostics, metadata = top.inner("diagnostics"), top.inner("metadata")
    computed = diagnostics is None or diagnostics.flag("speaking_time_computed") is not False
    enabled = metadata is not None and metadata.flag("body_tracking_enabled") is True
    available = metadata is not None and metadata.flag("body_metrics_available") is True
    entries = top.get("metrics")
    if not isinstance(entries, list):
        code = "FIELD_INVALID" if "metrics" in top.names() else "FIELD_MISSING"
        raise context.error(code, "/metrics is not a list; expected a list, empty if nobody was seen", "/metrics")
    casts: dict[str, dict[str | None, PersonMetric]] = {}
    unknown: set[str] = set()
    for number, entry in enumerate(entries):
        row = Row(entry, context, "metrics", number)
        metric = _metric(row, context, speaking=computed, body=enabled and available)
        of_person = casts.setdefault(metric.person_id, {})
        cast_id = metric.cast_ids[0] if metric.cast_ids else None
        if cast_id in of_person:
            message = f"person {metric.person_id!r} appears twice under cast {cast_id!r}"
            raise context.error("DUPLICATE_PERSON", message, row.at("person_id"))
        of_person[cast_id] = metric
        unknown |= row.names() - _FIELDS
    metrics, warnings = [], []
    for person_id, of_person in casts.items():
        metric = _merged(list(of_person.values()))
        check_duration(metric, context, "/metrics")
        metrics.append(metric)
        if len(of_person) > 1:
            casts_named = ", ".join(metric.cast_ids)
            text = f"person {person_id!r} has {len(of_person)} casts ({casts_named}); their times are summed"
            warnings.append(RunWarning("MERGED_CASTS", clean_text(text, _WARNING_CHARS)))
    name = f"artifact {context.artifact_key!r}"
    warnings += unknown_fields(name, top.names() - _TOP)
    warnings += unknown_fields(f"{name}, metrics", unknown)
    return ArtifactMetrics(tuple(metrics), len(entries), tuple(warnings))


def _check_ids(top: Row, context: ArtifactContext) -> None:
    """Compare the ids in the file with the manifest's. In old files run_id is null, and some have no episode_id."""
    for name, expected in (("run_id", context.run_id), ("episode_id", context.ep_id)):
        actual = top.get(name)
        if actual is not None and actual != expected:
            message = f"its {name} is {str(actual)[:80]!r}; expected {expected!r}, as in the manifest"
            raise context.error("ID_MISMATCH", message, top.at(name), expected=expected, actual=str(actual)[:80])


def _metric(row: Row, context: ArtifactContext, *, speaking: bool, body: bool) -> PersonMetric:
    cast_id = row.identifier("cast_id", max_bytes=MAX_ID_BYTES - len(_CAST))
    person_id = row.identifier("person_id")
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
    return PersonMetric(
        person_id=person_id,
        cast_ids=() if cast_id is None else (cast_id,),
        name=row.name("name"),
        onscreen_ms=to_ms((face or 0) if visual is None else visual),
        speaking_ms=row.ms("speaking_s", required=True) if speaking else None,
        confessional_ms=row.ms("confessional_s"),
        body_ms=row.ms("body_visible_seconds", required=True) if body else None,
        confidence=row.confidence("confidence", required=True),
        artifact_key=context.artifact_key,
    )


def _merged(casts: list[PersonMetric]) -> PersonMetric:
    """Return one metric for all casts of a person; their order does not matter.

    Times that are not None are added up. The confidence is the mean, weighted by the time on screen, or the lowest if
    there is no time on screen. The name is that of the first cast that has one, in the order of cast_id.
    """
    if len(casts) == 1:
        return casts[0]
    casts = sorted(casts, key=lambda metric: metric.cast_ids)
    return PersonMetric(
        person_id=casts[0].person_id,
        cast_ids=tuple(cast_id for metric in casts for cast_id in metric.cast_ids),
        name=next((metric.name for metric in casts if metric.name is not None), None),
        onscreen_ms=sum(metric.onscreen_ms for metric in casts),
        speaking_ms=_sum(metric.speaking_ms for metric in casts),
        confessional_ms=_sum(metric.confessional_ms for metric in casts),
        body_ms=_sum(metric.body_ms for metric in casts),
        confidence=_confidence(casts),
        artifact_key=casts[0].artifact_key,
    )


def _sum(values: Iterable[int | None]) -> int | None:
    present = [value for value in values if value is not None]
    return sum(present) if present else None


def _confidence(casts: list[PersonMetric]) -> Decimal | None:
    weighted = [(metric.confidence, metric.onscreen_ms) for metric in casts if metric.confidence is not None]
    weight = sum(ms for _, ms in weighted)
    if not weight:
        return min((confidence for confidence, _ in weighted), default=None)
    with localcontext(prec=100):
        total = sum((confidence * ms for confidence, ms in weighted), Decimal(0))
        return (total / weight).quantize(Decimal("0.001"), ROUND_HALF_UP)
