"""Service levels for the benchmark of the console: 28 days of 20,000 titles, one day of which nobody was fresh."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from shared.slo.days import WINDOW_DAYS, day_of

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from shared.database.session import DatabaseSession

__all__ = ["seed", "ways"]

_BARE: Final = (
    "SELECT * FROM gold.trakt_slo_titles WHERE NOT is_fresh"
    " ORDER BY day DESC, title_kind DESC, title_id_trakt DESC LIMIT 51"
)


def seed(database: DatabaseSession, titles: int) -> None:
    """Fill the tables of service levels.

    On each day, one title in 200 is missed and one in 100 lacks a page; on the tenth day back, all are missed.

    Args:
        database: an open transaction.
        titles: number of titles; each is one row a day.
    """
    first = (day_of(datetime.now(UTC)) - (WINDOW_DAYS - 1)).date
    values = {"first_day": first, "last_day": first + timedelta(days=WINDOW_DAYS - 1), "titles": titles}
    days = "generate_series(CAST(:first_day AS date), CAST(:last_day AS date), '1 day') d"
    database.run(
        "INSERT INTO gold.trakt_titles (title_kind, title_id_trakt, title, is_gone, is_synthetic, observed_at)"
        " SELECT CASE WHEN n % 3 = 0 THEN 'show' ELSE 'movie' END, n, 'Title ' || n, false, true, now()"
        " FROM generate_series(1, :titles) n ON CONFLICT DO NOTHING",
        titles=titles,
    )
    database.run(
        f"""
        INSERT INTO gold.trakt_slo_titles (day, deadline, title_kind, title_id_trakt, is_fresh, reason, fresh_at,
            minutes_late, was_named, pages_planned, pages_landed)
        SELECT d, d + interval '15 hours', CASE WHEN n % 3 = 0 THEN 'show' ELSE 'movie' END, n, NOT m.missed,
            CASE WHEN m.missed THEN (ARRAY['NOT_READ', 'READ_LATE', 'SWEEP_OLD'])[1 + n % 3] END, NULL, NULL, n % 9 = 0,
            4, CASE WHEN n % 100 = 1 THEN 3 ELSE 4 END
        FROM {days} CROSS JOIN generate_series(1, :titles) n
            CROSS JOIN LATERAL (SELECT n % 200 = 7 OR d = CAST(:last_day AS date) - 9 AS missed) m
        """,
        **values,
    )
    database.run("INSERT INTO trakt.loads (load_id, run_id, owner) VALUES ('bench', 'bench', 'bench')")
    database.run(
        f"""
        INSERT INTO trakt.pages (load_id, day, run_id, resource, kind, trakt_id, sort, page, page_limit, status, reason)
        SELECT 'bench', d, 'bench', 'comments', CASE WHEN n % 3 = 0 THEN 'show' ELSE 'movie' END, n, 'oldest', p, 250,
            CASE WHEN p = 4 AND n % 100 = 1 THEN 'failed' ELSE 'good' END,
            CASE WHEN p = 4 AND n % 100 = 1 THEN 'TIMEOUT' END
        FROM {days} CROSS JOIN generate_series(1, :titles, 10) n CROSS JOIN generate_series(1, 4) p
        """,
        **values,
    )
    database.run(
        """
        INSERT INTO gold.trakt_slo_days (day, deadline, is_final, titles, fresh_titles, is_good, late_titles,
            pages_planned, pages_landed, titles_planned, titles_complete, requests, throttled, throttled_hour, retried,
            retried_landed, reasons, missing, content_hash, run_id)
        SELECT day, min(deadline), true, count(*), count(*) FILTER (WHERE is_fresh),
            count(*) FILTER (WHERE is_fresh) * 100 >= count(*) * 99, 0, sum(pages_planned), sum(pages_landed), count(*),
            count(*), 80000, 9, 4, 12, 11, '{"NOT_READ": 40, "READ_LATE": 30}', '{"TIMEOUT": 200}', 'h', 'bench'
        FROM gold.trakt_slo_titles GROUP BY day
        """
    )


def ways() -> dict[str, tuple[Callable[[random.Random], str], str]]:
    """Return the pages: name -> URL from a random draw, and its bare query."""
    reasons = ("NOT_READ", "READ_LATE", "SWEEP_OLD")

    def day(draw: random.Random) -> str:
        return str(day_of(datetime.now(UTC)) - draw.randrange(WINDOW_DAYS))

    return {
        "slos": (lambda _: "/slos", "SELECT * FROM gold.trakt_slo_days ORDER BY day DESC LIMIT 28"),
        "an slo": (lambda _: "/slos/trakt-freshness", _BARE),
        "an slo by day": (lambda draw: f"/slos/trakt-freshness?day={day(draw)}", _BARE),
        "an slo by reason": (lambda draw: f"/slos/trakt-freshness?reason={draw.choice(reasons)}&kind=show", _BARE),
        "missing pages": (lambda _: "/slos/trakt-pages", _BARE),
        "days of an slo": (lambda _: "/slos/trakt-freshness/days", _BARE),
    }
