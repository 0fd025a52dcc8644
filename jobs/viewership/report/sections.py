"""All sections of the report of some uploads, in the order of its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from jobs.viewership.report.fates import fate_sections, name
from jobs.viewership.report.rates import match_rates, rate_sections
from jobs.viewership.report.rejected import rejected_table
from jobs.viewership.report.unmatched import unmatched_table
from jobs.viewership.report.waiting import waiting, waiting_table
from shared.report import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from jobs.viewership.settings.uploads import UploadSettings
    from shared.database.session import DatabaseSession
    from shared.report import Section

__all__ = ["PHASES", "PhaseFigures", "phases_table", "upload_sections"]

PHASES: Final = "Phases"
"""Title of the table of phases."""

_ROWS: Final = 200


class PhaseFigures(Protocol):
    """What a phase of an upload had to account for, and what it accounted for; see ``phases.result.PhaseResult``."""

    @property
    def upload_id(self) -> int:
        """Return the upload."""
        ...

    @property
    def filename(self) -> str:
        """Return its name."""
        ...

    @property
    def expected(self) -> tuple[int, Decimal, Decimal]:
        """Return units, hours and revenue to account for."""
        ...

    @property
    def actual(self) -> tuple[int, Decimal, Decimal]:
        """Return units, hours and revenue accounted for."""
        ...

    @property
    def seconds(self) -> float:
        """Return the time of the phase."""
        ...

    @property
    def status(self) -> str:
        """Return the status of the upload afterwards."""
        ...


def upload_sections(
    session: DatabaseSession,
    upload_ids: Sequence[int],
    *,
    phases: Sequence[tuple[str, PhaseFigures]] = (),
    places: Mapping[int, str] | None = None,
    settings: UploadSettings | None = None,
) -> list[Section]:
    """Return the sections of the report of some uploads. A section that has nothing to show is left out.

    Args:
        session: a transaction.
        upload_ids: numbers of uploads.
        phases: name and result of every phase, in their order.
        places: number of an upload -> path or URI that it was given with, for commands to paste.
        settings: settings of the command, whose typed flags the commands repeat; None adds none.
    """
    optional = (
        waiting_table(waiting(session, upload_ids, places=places, settings=settings)),
        rejected_table(session, upload_ids),
        unmatched_table(session, upload_ids),
        phases_table(phases),
    )
    asked, rejected, unmatched, took = optional
    return [
        *([asked] if asked else []),
        *rate_sections(match_rates(session, upload_ids)),
        *fate_sections(session, upload_ids),
        *(table for table in (rejected, unmatched, took) if table),
    ]


def phases_table(phases: Sequence[tuple[str, PhaseFigures]]) -> Table | None:
    """Return the table of phases with expected and actual figures; None without any.

    Args:
        phases: name and result of each.
    """
    if not phases:
        return None
    rows = [
        (
            name(each.upload_id, each.filename),
            phase,
            each.expected[0],
            each.actual[0],
            each.expected[1],
            each.actual[1],
            each.expected[2],
            each.actual[2],
            round(each.seconds, 3),
            each.status,
        )
        for phase, each in phases[:_ROWS]
    ]
    note = "Expected and actual figures are equal, or the stage fails."
    if len(phases) > _ROWS:
        note += f" {len(phases) - _ROWS:,} more are in viewership.phase_times."
    columns = (
        *("upload", "phase", "rows expected", "rows actual", "hours expected", "hours actual"),
        *("revenue expected", "revenue actual", "seconds", "status"),
    )
    return Table(PHASES, columns, rows, note)
