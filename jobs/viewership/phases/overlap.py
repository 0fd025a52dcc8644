"""Copies and overlaps: other uploads with the same rows, or with rows for the same days, and how they differ."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.model import grouped
from jobs.viewership.tables.uploads import Span, copies, find, months_of, overlaps
from jobs.viewership.uploads.values.period import month_end, month_of
from shared.report.terminal import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from jobs.viewership.tables.uploads import Month, Overlap, Upload
    from shared.database.session import DatabaseSession

__all__ = ["Other", "find_others", "shown", "span_months", "told"]

_TOLD: Final = 5
# A report for a year overlaps with 365 daily uploads; one row of the table does not list them all.
_SHOWN: Final = 50
_PLACE: Final = ("partner", "channel", "territory")
_DAYS: Final = ("date", "whole_week", "whole_month", "year", "quarter")


@dataclass(frozen=True, slots=True)
class Other:
    """Another upload for the same platform, label, partner, channel, territory and days.

    Attributes:
        upload_id: the other upload.
        filename: its name.
        kind: ``copy`` if all of its rows are those of the new file, else ``overlap``.
        units: its rows for these days.
        hours: their hours.
        revenue: their revenue.
        own_units: rows of the new file for these days.
        own_hours: their hours.
        own_revenue: their revenue.
        first: first day of the overlap, ISO 8601.
        last: last day of the overlap.
        outside: its rows for days, channels or territories that the new file lacks, including rows for a week, month,
            quarter or year whose first or last day the new file lacks.
        has_hours: the new file has hours.
        has_revenue: the new file has revenue.
    """

    upload_id: int
    filename: str
    kind: str
    units: int
    hours: Decimal
    revenue: Decimal
    own_units: int
    own_hours: Decimal
    own_revenue: Decimal
    first: str | None
    last: str | None
    outside: int
    has_hours: bool = True
    has_revenue: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the values for JSON; decimal numbers as text."""
        return {name: f"{value:f}" if isinstance(value, Decimal) else value for name, value in asdict(self).items()}


def find_others(
    session: DatabaseSession, upload: Upload, platform: str, label: str, canonical: str, *, rows: pl.DataFrame
) -> list[Other]:
    """Return the other uploads that hold rows of a new one.

    Args:
        session: the transaction, which holds the platform's and period's lock.
        upload: the new upload.
        platform: its platform.
        label: its label.
        canonical: hash of its rows.
        rows: its rows, with ``scope_id``, the columns of their dates, ``hours`` and ``revenue``.
    """
    import polars as pl

    same = {each.upload_id: each for each in (copies(session, upload.upload_id, canonical) if rows.height else ())}
    found = []
    spans = _spans(rows)
    place_of = {scope: tuple(place) for scope, *place in rows.select("scope_id", *_PLACE).unique().iter_rows()}
    for each in overlaps(session, upload.upload_id, platform, label, spans):
        places = set(map(tuple, each.places))
        scopes = {span.scope_id for span in spans if place_of[span.scope_id] in places and _meets(span, each)}
        own = rows.filter(pl.col("scope_id").is_in(list(scopes)))
        found.append(
            Other(
                upload_id=each.upload.upload_id,
                filename=each.upload.filename,
                kind="copy" if each.upload.upload_id in same else "overlap",
                units=each.units,
                hours=each.hours,
                revenue=each.revenue,
                own_units=own.height,
                own_hours=_sum(own["hours"]),
                own_revenue=_sum(own["revenue"]),
                first=str(each.first) if each.first else None,
                last=str(each.last) if each.last else None,
                # The same bytes have no other rows; they may have other days.
                outside=0 if each.upload.upload_id == upload.rereads else each.outside,
                has_hours=each.upload.upload_id == upload.rereads or rows["hours"].count() > 0,
                has_revenue=each.upload.upload_id == upload.rereads or rows["revenue"].count() > 0,
            )
        )
    seen = {other.upload_id for other in found}
    found += [_undated(each, rows) for each in same.values() if each.upload_id not in seen]
    if upload.rereads is not None and upload.rereads not in {other.upload_id for other in found}:
        found += [_undated(each, rows) for each in find(session, upload_ids=[upload.rereads])]
    return sorted(found, key=lambda other: other.upload_id)


def span_months(platform: str, units: pl.DataFrame) -> set[Month]:
    """Return the months that units cover, to lock: of two concurrent files, the second must see the first's rows."""
    import polars as pl

    spans = _spans(units.select(pl.lit(0).alias("scope_id"), "topline", *_DAYS))
    months = months_of(platform, None, None) if any(span.first is None for span in spans) else set()
    firsts, lasts = [span.first for span in spans if span.first], [span.last for span in spans if span.last]
    return months | months_of(platform, min(firsts), max(lasts)) if firsts else months


def _spans(rows: pl.DataFrame) -> list[Span]:
    """Return the distinct spans of rows: a day, week, month, quarter or year, or no days if the year is unknown."""
    spans = []
    distinct = rows.select("scope_id", "topline", *_DAYS).unique()
    for scope, topline, day, week, month, year, quarter in distinct.iter_rows():
        first = last = day
        if week:
            last = day + timedelta(days=6)
        elif month:
            first, last = month_of(day), month_end(day)
        elif day is None and year is not None:
            begin, end = (1, 12) if quarter is None else (3 * int(quarter[1]) - 2, 3 * int(quarter[1]))
            first, last = date(year, begin, 1), month_end(date(year, end, 1))
        spans.append(Span(scope, topline, first, last))
    return spans


def _meets(span: Span, other: Overlap) -> bool:
    """Return whether a span shares days with an overlap; a span without a year is assumed to."""
    if span.first is None or span.last is None or other.first is None or other.last is None:
        return span.first is None
    return span.first <= other.last and span.last >= other.first


def _sum(values: pl.Series) -> Decimal:
    return Decimal(values.sum() or 0)


def _undated(upload: Upload, rows: pl.DataFrame) -> Other:
    """Return a copy whose rows have no days."""
    hours, revenue = _sum(rows["hours"]), _sum(rows["revenue"])
    return Other(
        upload.upload_id,
        upload.filename,
        "copy",
        rows.height,
        hours,
        revenue,
        rows.height,
        hours,
        revenue,
        None,
        None,
        0,
    )


def shown(others: Sequence[Other]) -> tuple[list[dict[str, Any]], int]:
    """Return the uploads to store as JSON, copies and then those with the most rows, and the number left out."""
    chosen = sorted(others, key=lambda other: (other.kind != "copy", -other.units, other.upload_id))[:_SHOWN]
    chosen.sort(key=lambda other: other.upload_id)
    return [other.as_json() for other in chosen], len(others) - len(chosen)


def told(others: Sequence[Other]) -> str:
    """Describe the first uploads, one sentence each: the same days in both files, and the difference."""
    said = [_one(other) for other in others[:_TOLD]]
    if rest := others[_TOLD:]:
        rows, hours = sum(other.units for other in rest), sum((other.hours for other in rest), Decimal(0))
        said.append(f"and {counted(len(rest), 'more upload', 'more uploads')} ({rows:,} rows, {grouped(hours)} hours)")
    return "; ".join(said)


def _one(other: Other) -> str:
    days = f" for {other.first} to {other.last}" if other.first else ""
    if other.kind == "copy":
        return f"upload {other.upload_id} ('{other.filename}') has the same {counted(other.units, 'row', 'rows')}{days}"
    more_rows, more_hours = other.own_units - other.units, other.own_hours - other.hours
    parts = [
        f"upload {other.upload_id} ('{other.filename}') has {counted(other.units, 'row', 'rows')}",
        f" and {grouped(other.hours)} hours{days}",
        f", this file {counted(other.own_units, 'row', 'rows')} and {grouped(other.own_hours)} hours",
        f" (difference {more_rows:+,} rows, {grouped(more_hours, sign=True)} hours",
    ]
    if other.revenue or other.own_revenue:
        parts.append(f", {grouped(other.own_revenue - other.revenue, sign=True)} revenue")
    parts.append(")")
    if other.outside:
        parts.append(f" and {counted(other.outside, 'row', 'rows')} that this file lacks")
    return "".join(parts)
