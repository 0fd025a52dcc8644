"""The report's table of the persons seen most in the latest episodes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.keys import runs_folder
from shared.database.session import transaction
from shared.errors import TelecineError
from shared.report import Amounts, Part, Table
from shared.storage import resolved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.screenalytics.settings import SourceSettings
    from shared.report import Section

__all__ = ["PERSONS", "persons"]

PERSONS: Final = "Most seen"
_EPISODES: Final = 6
_EACH: Final = 3
_SELECT: Final = """
    SELECT run.ep_id, run.run_id, run.persons, metric.name, metric.person_id, metric.onscreen_ms, metric.speaking_ms,
        metric.confessional_ms, metric.confidence
    FROM (
        SELECT ep_id, run_id, persons, ingested_at FROM screenalytics.latest_runs
        WHERE source = :source AND starts_with(manifest_key, :folder) AND persons > 0
        ORDER BY ingested_at DESC, ep_id LIMIT :episodes
    ) AS run
    CROSS JOIN LATERAL (
        SELECT * FROM screenalytics.person_metrics WHERE run_id = run.run_id
        ORDER BY onscreen_ms DESC, person_id LIMIT :each
    ) AS metric
    ORDER BY run.ep_id, metric.onscreen_ms DESC, metric.person_id
"""

_log = logging.getLogger(__name__)


def persons(settings: SourceSettings) -> list[Section]:
    """Return bars and the table, one latest run per episode; nothing if there are no rows or the query fails.

    Args:
        settings: the source of the runs, and their prefix.
    """
    try:
        with transaction(settings) as session:
            source, folder = resolved(settings.bucket), runs_folder(settings.prefix)
            rows = session.rows(_SELECT, source=source, folder=folder, episodes=_EPISODES, each=_EACH)
    except TelecineError as error:
        # The runs are stored; a table in a report must not fail the step.
        _log.warning("the report omits the table of persons: %s", error.message)
        return []
    if not rows:
        return []
    return sections(rows)


def sections(rows: Sequence[Any]) -> list[Section]:
    """Return the bars of times on screen, and the table.

    Args:
        rows: at least one, with the columns of the query.
    """
    return [
        Amounts(
            "Time on screen",
            "min",
            [Part("on screen", "blue-2")],
            [
                (f"{row.ep_id}: {row.name or row.person_id}", [round((row.onscreen_ms or 0) / 60_000, 1)])
                for row in rows
            ],
            note=f"The top {_EACH} persons of each of the {_EPISODES} episodes ingested last, in minutes.",
        ),
        Table(
            PERSONS,
            ["episode", "run", "person", "on screen", "speaking", "confessional", "confidence"],
            [_row(row) for row in rows],
            note=f"The top {_EACH} persons of each of the {_EPISODES} episodes ingested last; all persons are in"
            " gold.screenalytics_persons.",
        ),
    ]


def _row(row: Any) -> list[Any]:
    times = [format_time(row.onscreen_ms), format_time(row.speaking_ms), format_time(row.confessional_ms)]
    confidence = None if row.confidence is None else f"{row.confidence:.3f}"
    return [row.ep_id, row.run_id, row.name or row.person_id, *times, confidence]


def format_time(milliseconds: int | None) -> str | None:
    """Return ``h:mm:ss``, rounded to the second, or None for None."""
    if milliseconds is None:
        return None
    minutes, seconds = divmod((milliseconds + 500) // 1000, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
