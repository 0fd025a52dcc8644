"""Rows and pages for the benchmark of the console's titles: gold tables of Trakt over many days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from shared.database.session import DatabaseSession

__all__ = ["DAYS", "seed", "ways"]

DAYS: Final = 60
_SQL: Final = (
    "SELECT * FROM gold.trakt_quadrants_daily WHERE as_of = current_date AND period = 'all'"
    " ORDER BY breadth DESC LIMIT 51"
)
_GENRES: Final = ("drama", "comedy", "action", "thriller", "horror", "animation", "documentary", "romance")
_BANDS: Final = ("0-30", "30-90", "90-365", "365-1095", "1095-")
_QUADRANTS: Final = ("phenomenon", "broad_hit", "cult", "quiet", "borderline", "insufficient")


def seed(database: DatabaseSession, titles: int, days: int = DAYS) -> None:
    """Fill the gold tables of Trakt that the console reads, day by day, as publications do.

    Breadth is log-normal around the median of its peers, intensity around a tenth; a fifth of the titles have too few
    comments. Of five titles, two are shows.

    Args:
        database: a transaction.
        titles: number of titles.
        days: number of days up to today; each has a row per title and period.
    """
    database.run(
        """
        CREATE TEMP TABLE drawn ON COMMIT DROP AS
        SELECT n AS title_id_trakt, CASE WHEN n % 5 < 2 THEN 'show' ELSE 'movie' END AS title_kind,
            (ARRAY['0-30', '30-90', '90-365', '365-1095', '1095-'])[1 + n % 7 % 5] AS age_band,
            sqrt(-2 * ln(u.a)) * cos(2 * pi() * u.b) AS wide, sqrt(-2 * ln(u.a)) * sin(2 * pi() * u.b) AS often
        FROM (SELECT setseed(0.5)) s, generate_series(1, :titles) n
            CROSS JOIN LATERAL (SELECT greatest(random() + n * 0, 1e-9) AS a, random() + n * 0 AS b) u
        """,
        titles=titles,
    )
    database.run(
        f"""
        INSERT INTO gold.trakt_titles (title_kind, title_id_trakt, slug, title, year, imdb_id, tmdb_id, status,
            released, runtime_min, genres, comment_count, votes, rating, first_comment_at, is_gone, is_synthetic,
            observed_at)
        SELECT title_kind, title_id_trakt, 'title-' || md5(title_id_trakt::text), 'Title ' || md5(title_id_trakt::text),
            1990 + title_id_trakt % 37, 'tt' || title_id_trakt, title_id_trakt, 'released',
            current_date - (title_id_trakt % 5000)::integer, 100,
            ARRAY[(ARRAY{list(_GENRES)})[1 + title_id_trakt % 8], (ARRAY{list(_GENRES)})[1 + title_id_trakt / 8 % 8]],
            500, 1000, 7.5, now() - interval '300 days', false, true, now()
        FROM drawn
        """
    )
    database.run(
        """
        CREATE TEMP TABLE figured ON COMMIT DROP AS
        SELECT d.*, p.period, p.part, round((20 * exp(d.wide) / p.part)::numeric)::double precision AS breadth,
            0.1 * exp(0.4 * d.often) AS intensity, abs(d.wide) > 0.3 AND abs(d.often) > 0.3 AS is_clear
        FROM drawn d, (VALUES ('7d', 8.0), ('28d', 4.0), ('90d', 2.0), ('all', 1.0)) p (period, part)
        """
    )
    for back in range(days - 1, -1, -1):
        database.run(
            """
            INSERT INTO gold.trakt_quadrants_daily (title_kind, title_id_trakt, as_of, period, age_band, quadrant,
                reason, n, n_min, peers, breadth, breadth_median, p_breadth_high, intensity, intensity_low,
                intensity_high, intensity_median, p_intensity_high)
            SELECT title_kind, title_id_trakt, current_date - CAST(:back AS integer), period, age_band,
                CASE WHEN breadth < 9 THEN 'insufficient' WHEN NOT is_clear THEN 'borderline'
                    WHEN wide > 0 AND often > 0 THEN 'phenomenon' WHEN wide > 0 THEN 'broad_hit'
                    WHEN often > 0 THEN 'cult' ELSE 'quiet' END,
                CASE WHEN breadth < 9 THEN 'TOO_FEW' WHEN NOT is_clear THEN 'NEAR_MEDIAN' END,
                breadth * 1.1, 20, 1500, breadth, 20 / part, CASE WHEN breadth >= 9 THEN 0.9 END,
                CASE WHEN breadth > 0 THEN intensity END, CASE WHEN breadth > 0 THEN intensity * 0.8 END,
                CASE WHEN breadth > 0 THEN intensity * 1.2 END, 0.1, CASE WHEN breadth >= 9 THEN 0.9 END
            FROM figured
            """,
            back=back,
        )
        database.run(
            """
            INSERT INTO gold.trakt_metrics_daily (title_kind, title_id_trakt, as_of, age_days, age_band, anchor,
                comments, replies_counted, n_min, breadth_n, breadth, breadth_low, breadth_high, intensity_n,
                intensity, intensity_low, intensity_high, half_life_days_n, half_life_days, half_life_days_low,
                half_life_days_high, t50_days_n, t50_days, t50_days_low, t50_days_high, t80_days_n, t80_days,
                t50_year_days_reason, t80_year_days_reason, hold_up_n, hold_up, hold_up_low, hold_up_high,
                retention_n, retention, retention_low, retention_high, half_life_aic_gain, hold_up_n_before,
                hold_up_n_after, hold_up_first_seen_by_backfill)
            SELECT title_kind, title_id_trakt, current_date - CAST(:back AS integer), 400, age_band, 'release',
                breadth * 1.1, false, 20, breadth, breadth, breadth * 0.8, breadth * 1.2, breadth, intensity,
                intensity * 0.8, intensity * 1.2, breadth, 30 * exp(often), 20 * exp(often), 40 * exp(often), breadth,
                20, 10, 30, breadth, 50, 'TOO_YOUNG', 'TOO_YOUNG', 24, wide / 3, wide / 3 - 0.4, wide / 3 + 0.4, 40,
                0.3, 0.2, 0.4, 3.5, 12, 12, false
            FROM figured WHERE period = 'all'
            """,
            back=back,
        )
    database.run(
        """
        INSERT INTO gold.trakt_comments_daily (title_kind, title_id_trakt, day, comments, replies, commenters, reviews,
            spoilers, likes, reply_count, rated, rating_sum, edited, late_arrivals, likes_added, likes_net_change)
        SELECT title_kind, title_id_trakt, current_date - back, 1 + back % 3, 0, 1, 0, 0, 1, 0, 1, 8, 0, 0, 0, 0
        FROM drawn, generate_series(0, CAST(:days AS integer) - 1) back
        """,
        days=days,
    )
    database.run(
        """
        INSERT INTO gold.trakt_versions (bronze_version, project_hash, as_of, build_id, source_system, files, run_id)
        SELECT n, repeat('0', 64), current_date - (CAST(:days AS integer) - n), 'v' || n, 'replay', '{}',
            'run-' || lpad(n::text, 8, '0')
        FROM generate_series(1, CAST(:days AS integer)) n
        """,
        days=days,
    )


def ways(titles: int) -> dict[str, tuple[Callable[[random.Random], str], str]]:
    """Return the pages by name: a URL from a random draw, and the query of its first rows."""

    def title(draw: random.Random) -> str:
        number = draw.randint(1, titles)
        return f"/titles/{'show' if number % 5 < 2 else 'movie'}/{number}"

    return {
        "quadrants": (lambda draw: f"/titles?window={draw.choice(('7d', '28d', '90d', 'all'))}", _SQL),
        "quadrants, logarithmic": (lambda _: "/titles?log=1", _SQL),
        "quadrants of a group": (lambda draw: f"/titles?kind=movie&age={draw.choice(_BANDS)}&log=1", _SQL),
        "quadrants by genre": (lambda draw: f"/titles?genre={draw.choice(_GENRES)}", _SQL),
        "quadrants by text": (lambda draw: f"/titles?q={draw.randrange(256):02x}", _SQL),
        "one quadrant": (lambda draw: f"/titles?quadrant={draw.choice(_QUADRANTS)}&window=28d", _SQL),
        "titles as JSON": (lambda draw: f"/titles.json?sort={draw.choice(('breadth', 'title', 'hold_up'))}", _SQL),
        "next pages of titles": (lambda _: "/titles.json?after=NEXT", _SQL),
        "a title": (title, _SQL),
        "search for a title": (lambda draw: f"/search?q=title+{draw.randrange(4096):03x}", _SQL),
    }
