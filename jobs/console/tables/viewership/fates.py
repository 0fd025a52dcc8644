"""The fates of an upload's rows, and what a change of the upload would do to them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.database.session import DatabaseSession

__all__ = ["FATES", "LARGE", "Difference", "Fates", "Sums", "differences", "fates", "final", "lacks", "totals"]

FATES: Final = ("final", "held", "review", "unmatched", "topline", "rejected", "filtered")
"""Fates in the order of a bar: matched, waiting, then unmatched."""
LARGE: Final = 20_000
"""Counting the fates of more rows than this takes longer than a page may; they are counted after it is shown."""
# Counting a million rows takes 2 s, several times as long on a busy server; a page's limit is 5 s.
_PATIENCE_MS: Final = 18_000


@dataclass(frozen=True, slots=True)
class Sums:
    """Rows, hours and revenue.

    Attributes:
        rows: number of rows.
        hours: their hours.
        revenue: their revenue.
    """

    rows: int = 0
    hours: Decimal = Decimal(0)
    revenue: Decimal = Decimal(0)

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.rows + other.rows, self.hours + other.hours, self.revenue + other.revenue)

    def __sub__(self, other: Sums) -> Sums:
        return Sums(self.rows - other.rows, self.hours - other.hours, self.revenue - other.revenue)

    def __bool__(self) -> bool:
        return bool(self.rows or self.hours or self.revenue)


def totals(found: Sequence[Sums]) -> Sums:
    """Return the sum of several sums."""
    total = Sums()
    for each in found:
        total += each
    return total


@dataclass(frozen=True, slots=True)
class Fates:
    """The fates of an upload's rows.

    Attributes:
        codes: fate and code -> sums, in the order of :data:`FATES`, most rows first.
        file: sums of the file.
    """

    codes: Mapping[tuple[str, str | None], Sums]
    file: Sums

    @property
    def parts(self) -> dict[str, Sums]:
        """Return the sums of each fate, in the order of :data:`FATES`."""
        return {name: totals([sums for (fate, _), sums in self.codes.items() if fate == name]) for name in FATES}

    @property
    def total(self) -> Sums:
        """Return the sums of all fates."""
        return totals(list(self.codes.values()))

    @property
    def difference(self) -> Sums:
        """Return the file minus all fates: zeros, unless rows were lost."""
        return self.file - self.total

    @property
    def rate(self) -> float | None:
        """Return the share of final rows among those that are final, in review or unmatched, as reports do."""
        parts = self.parts
        matched, whole = parts["final"].rows, sum(parts[name].rows for name in ("final", "review", "unmatched"))
        return matched / whole if whole else None


def fates(database: DatabaseSession, upload: Any) -> Fates:
    """Count the fates of an upload's rows; takes 2 s per million rows.

    Args:
        database: an open transaction, whose statements may take longer afterwards.
        upload: row of ``viewership.uploads``.
    """
    _be_patient(database)
    rows = database.rows(
        "SELECT fate, code, units, hours, revenue FROM viewership.reconciliation WHERE upload_id = :upload",
        upload=upload.upload_id,
    )
    rows.sort(key=lambda row: (FATES.index(row.fate), -row.units, row.code or ""))
    file = Sums(upload.units or 0, upload.hours or Decimal(0), upload.revenue or Decimal(0))
    return Fates({(row.fate, row.code): Sums(row.units, row.hours, row.revenue) for row in rows}, file)


def final(database: DatabaseSession, upload_ids: Sequence[int]) -> Sums:
    """Return the final rows of uploads: what leaves the final table if they are retracted or replaced.

    Args:
        database: an open transaction, whose statements may take longer afterwards.
        upload_ids: numbers of uploads.
    """
    _be_patient(database)
    (row,) = database.rows(
        "SELECT count(*) AS rows, coalesce(sum(hours), 0) AS hours, coalesce(sum(payment_amount), 0) AS revenue"
        " FROM viewership.episode_details WHERE upload_id = ANY (CAST(:uploads AS bigint[]))",
        uploads=list(upload_ids),
    )
    return Sums(row.rows, row.hours, row.revenue)


@dataclass(frozen=True, slots=True)
class Difference:
    """Another upload with the same rows, or with rows for the same days.

    Attributes:
        upload_id: the other upload.
        filename: its name.
        kind: ``copy`` or ``overlap``.
        first: first common day; None if the rows have no days.
        last: last common day.
        theirs: sums of its rows for these days.
        own: sums of the new file's rows for these days.
        outside: its rows that the new file lacks.
        lacks: ``hours`` or ``revenue`` that it has and the new file does not.
    """

    upload_id: int
    filename: str
    kind: str
    first: str | None
    last: str | None
    theirs: Sums
    own: Sums
    outside: int
    lacks: tuple[str, ...]

    @property
    def more(self) -> Sums:
        """Return what the new file has more."""
        return self.own - self.theirs


def differences(upload: Any) -> list[Difference]:
    """Return the other uploads that an upload waits for, as its phase ``upload`` found them.

    Args:
        upload: row of ``viewership.uploads``.
    """
    found = []
    for each in upload.others:
        theirs = Sums(each["units"], Decimal(each["hours"]), Decimal(each["revenue"]))
        own = Sums(each["own_units"], Decimal(each["own_hours"]), Decimal(each["own_revenue"]))
        lacking = [name for name in ("hours", "revenue") if getattr(theirs, name) and not each.get(f"has_{name}", True)]
        found.append(
            Difference(
                each["upload_id"],
                str(each["filename"]),
                str(each["kind"]),
                each["first"],
                each["last"],
                theirs,
                own,
                each["outside"],
                tuple(lacking),
            )
        )
    return found


def lacks(others: Sequence[Difference]) -> bool:
    """Return whether a replacement would lose rows or amounts, so that the run refuses it."""
    return any(each.outside or each.lacks for each in others)


def _be_patient(database: DatabaseSession) -> None:
    database.rows("SELECT set_config('statement_timeout', :ms, true)", ms=f"{_PATIENCE_MS}ms")
