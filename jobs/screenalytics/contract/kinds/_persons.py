"""Merge the casts of a person into one row: refuse different names, count overlapping time on screen once."""

from __future__ import annotations

import unicodedata
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.contract.kinds._row import to_ms
from jobs.screenalytics.contract.validated import shown
from jobs.screenalytics.model import PersonMetric, RunWarning, canonical_uuid
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jobs.screenalytics.contract.kinds.artifact import ArtifactContext
    from jobs.screenalytics.model import CastMetric

    Intervals = Sequence[tuple[Decimal, Decimal]]

__all__ = ["merge_casts", "read_timeline"]

# Placeholders that the producer writes for an unknown name.
_NAMELESS: Final = frozenset({"unknown", "none"})
# The producer rounds shorter intervals, such as a single frame, up to this.
_SHORTEST_S: Final = Decimal("0.033")
# The timeline is in hundredths of a second: an interval is off by at most 0.01 s, a short one by 0.033 s.
_ROUNDING_S: Final = Decimal("0.05")
_WARNING_CHARS: Final = 500


def merge_casts(
    casts: Sequence[CastMetric], timeline: Mapping[str, Intervals], context: ArtifactContext
) -> tuple[PersonMetric, RunWarning | None]:
    """Return one metric for all casts of a person, and a warning if there are several; their order does not matter.

    Time on screen is the sum, minus the time for which the timeline shows two of the casts at once. Other times have no
    timeline and are summed; the sum is None if one of them was not computed. The confidence is the mean weighted by
    time on screen, or the lowest one without any time on screen. The name is the first in cast_id order.

    Args:
        casts: entries with the same person_id, at least one.
        timeline: intervals by cast_id; see :func:`read_timeline`.
        context: the artifact.

    Raises:
        Rejected: ``PERSON_CONFLICT``: two casts have different names.
    """
    if len(casts) == 1:
        return casts[0].as_person(), None
    _check_names(casts, context)
    casts = sorted(casts, key=lambda cast: cast.cast_id or "")
    overlap_ms = _overlap_ms(casts, timeline)
    longest = max(cast.onscreen_ms for cast in casts)
    named = [cast.name for cast in casts if _known_name(cast) is not None] + [cast.name for cast in casts if cast.name]
    person = PersonMetric(
        person_id=casts[0].person_id,
        cast_ids=tuple(cast.cast_id for cast in casts if cast.cast_id is not None),
        name=next(iter(named), None),
        onscreen_ms=max(longest, sum(cast.onscreen_ms for cast in casts) - (overlap_ms or 0)),
        speaking_ms=_sum(cast.speaking_ms for cast in casts),
        confessional_ms=_sum(cast.confessional_ms for cast in casts),
        body_ms=_sum(cast.body_ms for cast in casts),
        confidence=_confidence(casts),
        artifact_key=casts[0].artifact_key,
    )
    counted = (
        "their times are summed, as the timeline does not show how much they overlap"
        if overlap_ms is None
        else f"their times are summed, with {overlap_ms} ms of overlapping time on screen counted once"
    )
    named_casts = ", ".join(person.cast_ids)
    text = f"person {person.person_id!r} has {len(casts)} casts; {counted}. Casts: {named_casts}"
    return person, RunWarning("MERGED_CASTS", clean_text(text, _WARNING_CHARS))


def read_timeline(value: Any) -> dict[str, Intervals]:
    """Return the intervals of each cast that the timeline states unambiguously.

    The timeline is not part of the contract, so missing, repeated and malformed entries are left out without an error.

    Args:
        value: the list ``timeline`` of a screentime.json; entries have ``cast_id`` and ``intervals``.
    """
    found: dict[str, Intervals] = {}
    repeated = set()
    for entry in value if isinstance(value, list) else ():
        cast_id = entry.get("cast_id") if isinstance(entry, dict) else None
        if not isinstance(cast_id, str):
            continue
        if cast_id in found:
            repeated.add(cast_id)
        intervals = entry.get("intervals")
        if isinstance(intervals, list) and all(_is_interval(interval) for interval in intervals):
            found[cast_id] = [
                (Decimal(start), max(Decimal(end), Decimal(start) + _SHORTEST_S)) for start, end in intervals
            ]
    return {cast_id: intervals for cast_id, intervals in found.items() if cast_id not in repeated}


def _is_interval(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004 - start and end
        return False
    return all(isinstance(side, Decimal | int) and not isinstance(side, bool) for side in value) and (
        0 <= value[0] <= value[1]
    )


def _check_names(casts: Sequence[CastMetric], context: ArtifactContext) -> None:
    first: CastMetric | None = None
    for cast in casts:
        name = _known_name(cast)
        if name is None:
            continue
        if first is None:
            first = cast
        elif name != _known_name(first):
            message = (
                f"person {shown(cast.person_id)} is named {shown(first.name)} under cast {shown(first.cast_id)} (entry"
                f" {first.entry}) and {shown(cast.name)} under cast {shown(cast.cast_id)} (entry {cast.entry});"
                " expected one name per person_id, or another person_id for one of them"
            )
            pointer = f"/metrics/{cast.entry}/name"
            raise context.error(
                "PERSON_CONFLICT", message, pointer, expected=shown(first.name), actual=shown(cast.name)
            )


def _known_name(cast: CastMetric) -> str | None:
    """Return a name normalised for comparison (case, spacing, Unicode form); None for a placeholder."""
    if cast.name is None or (canonical_uuid(cast.name) or cast.name) == cast.person_id:
        return None
    name = " ".join(unicodedata.normalize("NFKC", cast.name).casefold().split())
    return None if name in _NAMELESS else name


def _overlap_ms(casts: Sequence[CastMetric], timeline: Mapping[str, Intervals]) -> int | None:
    """Return the time for which casts overlap on screen; None if the timeline disagrees with their times."""
    together: list[tuple[Decimal, Decimal]] = []
    with localcontext(prec=100):
        separate = Decimal(0)
        for cast in casts:
            intervals = timeline.get(cast.cast_id) if cast.cast_id is not None else None
            if intervals is None:
                return None
            length = _union_s(intervals)
            if abs(length - Decimal(cast.onscreen_ms) / 1000) > _ROUNDING_S * (len(intervals) + 1):
                return None
            separate += length
            together += intervals
        return to_ms(separate - _union_s(together))


def _union_s(intervals: Intervals) -> Decimal:
    """Return the total length of the union of intervals."""
    total, reached = Decimal(0), Decimal(0)
    for start, end in sorted(intervals):
        if end > reached:
            total += end - max(start, reached)
            reached = end
    return total


def _sum(values: Iterable[int | None]) -> int | None:
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _confidence(casts: Sequence[CastMetric]) -> Decimal | None:
    weighted = [(cast.confidence, cast.onscreen_ms) for cast in casts if cast.confidence is not None]
    weight = sum(ms for _, ms in weighted)
    if not weight:
        return min((confidence for confidence, _ in weighted), default=None)
    with localcontext(prec=100):
        total = sum((confidence * ms for confidence, ms in weighted), Decimal(0))
        return (total / weight).quantize(Decimal("0.001"), ROUND_HALF_UP)
