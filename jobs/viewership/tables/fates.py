"""The fates of all units: sums by fate and bucket, and whether they add up to the file's."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.model import exact_sum
from shared.database.session import transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from shared.database.session import DatabaseSession
    from shared.settings.database import DatabaseSettings

__all__ = ["BucketSum", "FateSum", "Fates", "analyze", "fates", "fates_of", "lock_final", "sync"]


@dataclass(frozen=True, slots=True)
class FateSum:
    """Units of one fate and code."""

    fate: str
    code: str | None
    units: int
    hours: Decimal
    revenue: Decimal


@dataclass(frozen=True, slots=True)
class BucketSum:
    """Units of one fate, and of one bucket if the fate is final.

    Attributes:
        fate: the fate.
        bucket: the bucket of final units; None for all others.
        units: their number.
        hours: their hours.
        revenue: their revenue.
    """

    fate: str
    bucket: str | None
    units: int
    hours: Decimal
    revenue: Decimal

    @property
    def part(self) -> str:
        """Return the bucket of final units, or the fate."""
        return self.bucket or self.fate


@dataclass(frozen=True, slots=True)
class Fates:
    """All fates of an upload, and what its file has.

    Attributes:
        sums: by fate and code.
        buckets: by fate and bucket.
        units: units of the file.
        hours: hours of the file.
        revenue: revenue of the file.
    """

    sums: tuple[FateSum, ...]
    buckets: tuple[BucketSum, ...]
    units: int
    hours: Decimal
    revenue: Decimal

    @property
    def difference(self) -> tuple[int, Decimal, Decimal]:
        """Return units, hours and revenue of the file minus those of all fates: zeros, unless rows were lost."""
        return (
            self.units - sum(each.units for each in self.sums),
            self.hours - exact_sum(each.hours for each in self.sums),
            self.revenue - exact_sum(each.revenue for each in self.sums),
        )

    def units_of(self, fate: str) -> int:
        """Return the number of units with a fate."""
        return sum(each.units for each in self.sums if each.fate == fate)

    def hours_of(self, fate: str) -> Decimal:
        """Return the hours of units with a fate."""
        return exact_sum(each.hours for each in self.sums if each.fate == fate)


def fates(session: DatabaseSession, upload_id: int) -> Fates:
    """Return the fates of an upload's units."""
    return fates_of(session, [upload_id])[upload_id]


def fates_of(session: DatabaseSession, upload_ids: Iterable[int]) -> dict[int, Fates]:
    """Return the fates of the units of some uploads, by upload; an upload without units has sums of 0.

    Args:
        session: the transaction.
        upload_ids: numbers of uploads.
    """
    ids = list(upload_ids)
    # One pass over the rows for all sums: a pass takes more than a second per million rows.
    rows = session.rows(
        """
        SELECT upload_id, fate, code, CASE fate WHEN 'final' THEN bucket END AS bucket, count(*) AS units,
            COALESCE(sum(hours), 0) AS hours, COALESCE(sum(revenue), 0) AS revenue
        FROM viewership.row_fates WHERE upload_id = ANY (CAST(:ids AS bigint[])) GROUP BY 1, 2, 3, 4
        UNION ALL
        SELECT a.upload_id, a.fate, a.code, NULL, count(*), COALESCE(sum(a.hours), 0), COALESCE(sum(a.revenue), 0)
        FROM viewership.set_aside_rows a JOIN viewership.uploads u USING (upload_id)
        WHERE a.upload_id = ANY (CAST(:ids AS bigint[]))
            AND u.status IN ('read', 'normalized', 'matched', 'loaded', 'partial')
        GROUP BY 1, 2, 3
        """,
        ids=ids,
    )
    files = session.rows(
        "SELECT upload_id, COALESCE(units, 0), COALESCE(hours, 0), COALESCE(revenue, 0) FROM viewership.uploads"
        " WHERE upload_id = ANY (CAST(:ids AS bigint[])) ORDER BY upload_id",
        ids=ids,
    )
    members = defaultdict(list)
    for row in rows:
        members[row.upload_id].append(row)
    return {
        number: Fates(
            tuple(FateSum(*group) for group in _grouped(members[number], "code")),
            tuple(BucketSum(*group) for group in _grouped(members[number], "bucket")),
            *file,
        )
        for number, *file in files
    }


def _grouped(rows: Iterable[Any], name: str) -> list[tuple[str, str | None, int, Decimal, Decimal]]:
    """Return sums grouped by fate and one more column, in sorted order."""
    groups = defaultdict(list)
    for row in rows:
        groups[row.fate, getattr(row, name)].append(row)
    return [
        (
            *key,
            sum(row.units for row in members),
            exact_sum(row.hours for row in members),
            exact_sum(row.revenue for row in members),
        )
        for key, members in sorted(groups.items(), key=lambda item: (item[0][0], item[0][1] or ""))
    ]


def file_sums(session: DatabaseSession, upload_id: int) -> tuple[int, Decimal, Decimal]:
    """Return rows, hours and revenue of an upload's file, minus those set aside: what its stored rows must add up to.

    They come from the file's own sums, not from the rows that a phase reads, so that a lost row is noticed.
    """
    row = session.rows(
        """
        SELECT u.units - a.units, COALESCE(u.hours, 0) - a.hours, COALESCE(u.revenue, 0) - a.revenue
        FROM viewership.uploads u
        CROSS JOIN LATERAL (
            SELECT count(*) AS units, COALESCE(sum(hours), 0) AS hours, COALESCE(sum(revenue), 0) AS revenue
            FROM viewership.set_aside_rows WHERE upload_id = u.upload_id) a
        WHERE u.upload_id = :id
        """,
        id=upload_id,
    )[0]
    return (row[0], row[1], row[2])


def sync(session: DatabaseSession, kind: str, ids: Sequence[int], *, actor: str, reason: str) -> tuple[int, int]:
    """Update episode_details, and return the rows loaded and removed.

    Args:
        session: the transaction.
        kind: ``upload``, ``key`` or ``scope``.
        ids: their numbers.
        actor: who causes it, for the history.
        reason: why, for the history.
    """
    row = session.rows(
        "SELECT loaded, removed FROM viewership.sync(:kind, CAST(:ids AS bigint[]), :actor, :reason)",
        kind=kind,
        ids=list(ids),
        actor=actor,
        reason=reason,
    )[0]
    return row.loaded, row.removed


def lock_final(session: DatabaseSession, platforms: Iterable[str]) -> None:
    """Lock matches and final rows of these platforms until the end of the transaction.

    A caller that also needs the catalogue's lock takes that one first.

    Args:
        session: the transaction.
        platforms: the platforms.
    """
    session.rows("SELECT viewership.lock_final(CAST(:platforms AS text[]))", platforms=sorted(set(platforms)))


def analyze(settings: DatabaseSettings, count: int) -> None:
    """Update the planner's statistics after a large upload, in a separate transaction; for few rows, do nothing.

    Without it, the statements of the next phase take several times as long until autovacuum has run.

    Args:
        settings: where the database is.
        count: rows or keys that were written.
    """
    if count >= _MANY:
        with transaction(settings) as session:
            session.rows("SELECT viewership.analyze_rows()")


# ANALYZE takes about 0.3 s.
_MANY: Final = 20_000
