"""The fates of all units: sums by fate, and whether they add up to the file's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.viewership.model import exact_sum
from shared.database.session import transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from shared.database.session import DatabaseSession
    from shared.settings.database import DatabaseSettings

__all__ = ["FateSum", "Fates", "analyze", "fates", "lock_final", "sync"]


@dataclass(frozen=True, slots=True)
class FateSum:
    """Units of one fate and code."""

    fate: str
    code: str | None
    units: int
    hours: Decimal
    revenue: Decimal


@dataclass(frozen=True, slots=True)
class Fates:
    """All fates of an upload, and what its file has.

    Attributes:
        sums: by fate and code.
        units: units of the file.
        hours: hours of the file.
        revenue: revenue of the file.
    """

    sums: tuple[FateSum, ...]
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
    rows = session.rows(
        "SELECT fate, code, units, hours, revenue FROM viewership.reconciliation WHERE upload_id = :id"
        " ORDER BY fate, code NULLS FIRST",
        id=upload_id,
    )
    file = session.rows(
        "SELECT COALESCE(units, 0), COALESCE(hours, 0), COALESCE(revenue, 0) FROM viewership.uploads"
        " WHERE upload_id = :id",
        id=upload_id,
    )[0]
    return Fates(tuple(FateSum(*row) for row in rows), *file)


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
