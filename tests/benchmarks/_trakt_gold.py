"""Queries of gold in PostgreSQL: one title over 30 days, and the quadrants of all titles on one day."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.settings import PublishSettings
from jobs.trakt.steps import publish
from shared.database import embedded
from shared.database.connection import dispose
from shared.database.migrate import upgrade
from shared.database.session import transaction
from tests.benchmarks._table import machine, print_table
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import reachable_folder
from tests.trakt_gold import AS_OF, FIGURES, build, rows

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["gold"]

_SEED: Final = 20261129
_QUERIES: Final = 200
_LIMIT_MS: Final = 300
_PERIODS: Final = "(VALUES ('7d'), ('28d'), ('90d'), ('all')) p (period)"

_ONE_TITLE: Final = """
    SELECT e.as_of, e.comments, e.commenters, m.half_life_days, m.half_life_days_low, m.half_life_days_high, m.hold_up,
        m.retention, d.comments AS written, d.late_arrivals
    FROM gold.trakt_engagement_daily e
    JOIN gold.trakt_metrics_daily m USING (title_kind, title_id_trakt, as_of)
    LEFT JOIN gold.trakt_comments_daily d
        ON (d.title_kind, d.title_id_trakt, d.day) = (e.title_kind, e.title_id_trakt, e.as_of)
    WHERE e.title_kind = 'movie' AND e.title_id_trakt = :title AND e.period = '28d'
        AND e.as_of BETWEEN CAST(:last AS date) - 29 AND :last
    ORDER BY e.as_of"""
_QUADRANTS: Final = """
    SELECT t.title, t.genres, q.quadrant, q.reason, q.n, q.breadth, q.breadth_median, q.intensity, q.intensity_low,
        q.intensity_high, q.intensity_median
    FROM gold.trakt_quadrants_daily q JOIN gold.trakt_titles t USING (title_kind, title_id_trakt)
    WHERE q.as_of = :last AND q.period = :period AND q.title_kind = 'movie'
    ORDER BY q.n DESC"""


def gold(*, quick: bool = False) -> None:
    """Print p50 and p95 of both queries, each with its own title, day and period, and the time of a publication."""
    titles, days = (200, 90) if quick else (2_000, 365)
    with reachable_folder() as folder, tempfile.TemporaryDirectory() as work:
        settings = PublishSettings(database_url=embedded.ensure(folder, {}), bucket=f"file://{work}")
        try:
            upgrade(settings)
            seconds = _publish(settings, Path(work), titles)
            with transaction(settings) as session:
                counts = _fill(session, titles, days)
            with transaction(settings) as session:
                session.run("ANALYZE")
            draw = random.Random(_SEED)
            ways = {
                "one title, 30 days": (
                    _ONE_TITLE,
                    lambda: {"last": _day(draw, days), "title": draw.randint(1, titles)},
                ),
                "quadrants of a day": (
                    _QUADRANTS,
                    lambda: {"last": _day(draw, days), "period": draw.choice(("7d", "28d", "90d", "all"))},
                ),
            }
            timed = {name: _time(settings, *way) for name, way in ways.items()}
        finally:
            dispose()
            embedded.release(folder)
    print(machine())
    print_table(
        f"{titles:,} titles x {days} days: {counts:,} rows; {_QUERIES} queries with seed {_SEED}",
        ["query", "rows", "p50 ms", "p95 ms", "most ms", f"below {_LIMIT_MS} ms"],
        [
            [
                name,
                f"{found:,}",
                f"{statistics.median(times):.1f}",
                f"{_p95(times):.1f}",
                f"{max(times):.1f}",
                "yes" if _p95(times) < _LIMIT_MS else "NO",
            ]
            for name, (times, found) in timed.items()
        ],
    )
    print_table(
        "Publications",
        ["build", "rows", "s"],
        [[name, f"{count:,}", f"{took:.1f}"] for name, count, took in seconds],
    )


def _publish(settings: PublishSettings, bucket: Path, titles: int) -> list[tuple[str, int, float]]:
    """Publish a build of 28 days, the same again, and one with a changed title."""
    content = rows(titles=titles, days=28)
    found = []
    for name, version in (("first", 1), ("again", 1), ("one title renamed", 2)):
        if version > 1:
            content["trakt_titles"][0]["title"] = "Renamed"
        build(bucket, content, version=version)
        began = time.monotonic()
        report = publish.run(settings, MemoryStageRun(run_id=name))
        found.append((name, report.items, time.monotonic() - began))
    return found


def _fill(session: DatabaseSession, titles: int, days: int) -> int:
    """Add the days before those that were published; return the rows of all tables."""
    series = (
        # Day by day, as publications write them.
        f"FROM generate_series({days} - 1, 28, -1) back CROSS JOIN generate_series(1, {titles}) n"
        f" CROSS JOIN LATERAL (SELECT DATE '{AS_OF}' - back AS day) d"
    )
    figures = ", ".join(name for each in FIGURES for name in (f"{each}_n", each, f"{each}_low", f"{each}_high"))
    values = ", ".join("40, 60.5, 41.25, 99.75" for _ in FIGURES)
    periods = f"{series} CROSS JOIN {_PERIODS}"
    added = {
        "comments_daily": f"'movie', n, day, 5, 1, 4, 1, 1, 9, 2, 3, 24.5, 1, 0, 2, 1 {series}",
        "engagement_daily": f"'movie', n, day, period, 50, 10, 30, 5, 5, 90, 20, 30, 7.5 {periods}",
        "metrics_daily (title_kind, title_id_trakt, as_of, age_days, anchor, comments, replies_counted, n_min,"
        f" {figures})": f"'movie', n, day, 900, 'release', 50, false, 20, {values} {series}",
        "quadrants_daily": "'movie', n, day, period, '2 to 5 years', 'cult', NULL, n, 20, 400, 0.5, 0.5, 0.9, 0.5, 0.4,"
        f" 0.6, 0.5, 0.9 {periods}",
    }
    for table, selected in added.items():
        session.run(f"INSERT INTO gold.trakt_{table} SELECT {selected}")
    tables = ("titles", "comments_daily", "engagement_daily", "metrics_daily", "quadrants_daily")
    return sum(int(session.rows(f"SELECT count(*) AS n FROM gold.trakt_{table}")[0].n) for table in tables)


def _day(draw: random.Random, days: int) -> Any:
    from datetime import timedelta

    return AS_OF - timedelta(days=draw.randrange(days - 30))


def _time(settings: PublishSettings, statement: str, values: Any) -> tuple[list[float], int]:
    """Return the milliseconds of each query, rows fetched, and the rows of the last one."""
    times, found = [], 0
    with transaction(settings) as session:
        for _ in range(_QUERIES):
            given = values()
            began = time.perf_counter()
            found = len(session.rows(statement, **given))
            times.append(1000 * (time.perf_counter() - began))
    return times, found


def _p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]
