"""Copies and overlaps: other uploads with the same rows, or with rows for the same days, and how they differ."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.model import grouped
from jobs.viewership.tables.uploads import copies, find, overlaps
from shared.report.terminal import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from jobs.viewership.tables.uploads import Upload
    from shared.database.session import DatabaseSession

__all__ = ["Other", "find_others", "told"]

_TOLD: Final = 5


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
        outside: its rows for other days, channels or territories, which the new file lacks.
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
        rows: its rows, with ``scope_id``, ``date``, ``hours`` and ``revenue``.
    """
    import polars as pl

    same = {each.upload_id: each for each in (copies(session, upload.upload_id, canonical) if rows.height else ())}
    scopes = {
        topline: rows.filter(pl.col("topline") == topline)["scope_id"].unique().to_list() for topline in (False, True)
    }
    found = []
    quarters = rows.filter(pl.col("date").is_null()).select(
        pl.concat_str(pl.col("year", "quarter").cast(pl.String), separator=" ", ignore_nulls=True)
    )
    whole = rows.filter(pl.col("whole_month"))["scope_id"].unique().to_list()
    for each in overlaps(
        session, upload.upload_id, platform, label, scopes, whole=whole, undated=quarters.to_series().unique().to_list()
    ):
        own = rows.filter(pl.col("scope_id").is_in(each.scopes))
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
