"""Rows for the pages of service levels: days in each state, misses with hostile titles, an open alert."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.slo.days import WINDOW_DAYS, Day, day_of

__all__ = ["PAGES", "seed"]

PAGES: tuple[str, ...] = (
    "/slos",
    "/slos/trakt-freshness?limit=10",
    "/slos/trakt-freshness?kind=show&reason=READ_LATE&limit=3",
    "/slos/trakt-pages?limit=10",
    "/slos/trakt-freshness/days?limit=10",
)
_TITLES = 200
_HOSTILE = "<img src=x onerror=alert(1)> \u202ertl " + "long" * 60


def seed(connection: Any) -> None:
    """Write the rows, of titles from 2001.

    Today is never due, yesterday is good, the third day has no row, the fifth is a breach.
    """
    connection.execute(
        "INSERT INTO gold.trakt_titles (title_kind, title_id_trakt, title, is_gone, is_synthetic, observed_at)"
        " SELECT CASE WHEN n %% 2 = 0 THEN 'show' ELSE 'movie' END, n + 2000,"
        " CASE WHEN n = 3 THEN %s ELSE 'Title ' || n END, false, true, now() FROM generate_series(1, %s) n",
        (_HOSTILE, _TITLES),
    )
    today = day_of(datetime.now(UTC))
    for back in range(WINDOW_DAYS - 1, -1, -1):
        if back != 3:
            _day(connection, today - back, missed={5: 40, 9: 1}.get(back, 0), is_final=back > 0)
    connection.execute(
        "INSERT INTO trakt.slo_alerts (alert, opened_on, message, sent, run_id) VALUES"
        " ('breach', %s, %s, '{mail,webhook}', 'run-1')",
        ((today - 5).date, f"97.20 % of the title-days are fresh. {_HOSTILE}"),
    )


def _day(connection: Any, day: Day, missed: int, *, is_final: bool) -> None:
    planned = 4 * _TITLES
    connection.execute(
        "INSERT INTO gold.trakt_slo_days (day, deadline, is_final, titles, fresh_titles, is_good, late_titles,"
        " pages_planned, pages_landed, titles_planned, titles_complete, requests, throttled, throttled_hour, retried,"
        " retried_landed, reasons, missing, content_hash, run_id)"
        " VALUES (%s, %s, %s, %s, %s, %s, 0, %s, %s, %s, %s, 900, 3, 2, 5, 5, %s, %s, 'h', 'run-1')",
        (
            *(day.date, day.deadline, is_final, _TITLES, _TITLES - missed, missed <= 2, planned, planned - missed),
            *(_TITLES, _TITLES - missed, json.dumps({"READ_LATE": missed} if missed else {})),
            json.dumps({"TIMEOUT": missed} if missed else {}),
        ),
    )
    connection.execute(
        "INSERT INTO gold.trakt_slo_titles (day, deadline, title_kind, title_id_trakt, is_fresh, reason, fresh_at,"
        " minutes_late, was_named, pages_planned, pages_landed) SELECT %s, %s,"
        " CASE WHEN n %% 2 = 0 THEN 'show' ELSE 'movie' END, n + 2000, n > %s,"
        " CASE WHEN n <= %s THEN 'READ_LATE' END, %s,"
        " CASE WHEN n <= %s THEN n END, true, 4, CASE WHEN n <= %s THEN 3 ELSE 4 END FROM generate_series(1, %s) n",
        (day.date, day.deadline, missed, missed, day.deadline + timedelta(minutes=5), missed, missed, _TITLES),
    )
