"""One report of every step that writes one, made by the step's own code from made-up results with hostile names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.reports import gamedata, media, screenalytics, trakt, viewership

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shared.report import Report

__all__ = ["REPORTS", "build"]

REPORTS: dict[str, Callable[[Path], Report]] = {
    **{f"gamedata {name}": make for name, make in gamedata.REPORTS.items()},
    **{f"media {name}": make for name, make in media.REPORTS.items()},
    **{f"screenalytics {name}": make for name, make in screenalytics.REPORTS.items()},
    **{f"trakt {name}": make for name, make in trakt.REPORTS.items()},
    **{f"viewership {name}": make for name, make in viewership.REPORTS.items()},
}
"""Pipeline and step -> function that makes its report; it may use an empty folder."""

_RUN = "01997c3e-8f2a-7c11-9d3e-5a6b7c8d9e0f"


def build(name: str, folder: Path) -> Report:
    """Return a report with the fields that the command line fills in.

    Args:
        name: a key of :data:`REPORTS`.
        folder: an empty folder.
    """
    report = REPORTS[name](folder)
    report.pipeline, _, report.step = name.partition(" ")
    report.run_id = _RUN
    report.seconds = report.seconds or 83.4
    report.started_at = datetime(2026, 11, 30, 3, 4, 5, tzinfo=UTC)
    report.finished_at = report.started_at + timedelta(seconds=report.seconds)
    report.show_command = f"telecine runs show {_RUN}"
    report.parameters = report.parameters or {
        "source_bucket": "s3://a-bucket-with-a-rather-long-name/and/a/prefix/that/is/long/as/well",
        "workers": None,
        "strides": [[3, 15], [30, 15], [60, 5]],
    }
    return report
