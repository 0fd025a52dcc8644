"""Rows for `/titles` and `/titles/{kind}/{id}`: few and many peers, every quadrant, missing figures, hostile names.

Medians are those of the rows, so a test can compute them again.
"""

from __future__ import annotations

import random
import statistics
from datetime import date, timedelta
from typing import Any

__all__ = ["AS_OF", "DAYS", "HOSTILE_TITLE", "MANY", "NAMED", "PAGES", "TITLES", "seed"]

PAGES: tuple[str, ...] = (
    "/titles?limit=10",
    "/titles?kind=movie&age=90-365&log=1&limit=10",
    "/titles?kind=show&window=28d&limit=10",
    "/titles?q=nothing-matches",
    "/titles/movie/1",
    "/titles/movie/2?window=28d",
    "/titles/show/900",
    "/search?q=title",
)
AS_OF = date(2026, 11, 29)
DAYS = 12
HOSTILE_TITLE = "<img src=x onerror=alert(1)> Night 'q' \"q\" \u202ertl"
NAMED = {1: "Night Ferry", 2: HOSTILE_TITLE, 3: "=HYPERLINK(1)"}
MANY = 450
"""Titles of the largest group: too many to draw one by one."""
TITLES = 40 + MANY + 4
_PERIODS = {"7d": 8, "28d": 4, "90d": 2, "all": 1}
_N_MIN = 20
_FIGURES = (
    *("breadth", "intensity", "half_life_days", "t50_days", "t80_days", "t50_year_days", "t80_year_days"),
    *("hold_up", "retention"),
)


def seed(connection: Any) -> None:
    """Write the rows with an open psycopg connection."""
    groups = [
        ("movie", "90-365", range(1, 41)),
        ("movie", "1095-", range(100, 100 + MANY)),
        # Too few peers for medians.
        ("show", "0-30", range(900, 904)),
    ]
    draw = random.Random(17)
    _titles(connection, [(kind, number) for kind, _, numbers in groups for number in numbers])
    for kind, band, numbers in groups:
        drawn = {number: (draw.lognormvariate(4.4, 1.1), draw.lognormvariate(-2, 0.8)) for number in numbers}
        for back in range(DAYS):
            day = AS_OF - timedelta(days=back)
            for period, part in _PERIODS.items():
                key = {"kind": kind, "day": day, "period": period, "band": band}
                rows = _quadrants(key, {number: (b / part, i) for number, (b, i) in drawn.items()})
                with connection.cursor().copy("COPY gold.trakt_quadrants_daily FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
            if back < 2:
                _write(connection, "gold.trakt_metrics_daily", [_metrics(kind, one, band, day) for one in numbers])
    _one(connection)


def _insert(connection: Any, table: str, row: dict[str, Any]) -> None:
    connection.execute(
        f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})", list(row.values())
    )


def _write(connection: Any, table: str, rows: list[dict[str, Any]]) -> None:
    with connection.cursor().copy(f"COPY {table} ({', '.join(rows[0])}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(list(row.values()))


def _titles(connection: Any, keys: list[tuple[str, int]]) -> None:
    for kind, number in keys:
        _insert(connection, "gold.trakt_titles", {
            "title_kind": kind, "title_id_trakt": number, "title": NAMED.get(number, f"Title {number}"),
            "slug": f"title-{number}", "year": 2000 + number % 25, "imdb_id": f"tt{number:07}", "tmdb_id": number,
            "status": "released", "released": AS_OF - timedelta(days=120), "runtime_min": 100,
            "genres": ["drama", ("comedy", "horror")[number % 2]], "votes": 1000 - number, "rating": 7.6,
            "first_comment_at": AS_OF - timedelta(days=125), "is_gone": number == 903,
            "gone_on": AS_OF if number == 903 else None, "is_synthetic": True, "observed_at": AS_OF,
        })  # fmt: skip


def _quadrants(key: dict[str, Any], drawn: dict[int, tuple[float, float]]) -> list[tuple[Any, ...]]:
    figures = {number: (float(round(breadth)), intensity) for number, (breadth, intensity) in drawn.items()}
    peers = [each for each in figures.values() if each[0] * 1.2 >= _N_MIN]
    lines = [statistics.median(each[axis] for each in peers) if len(peers) >= 10 else None for axis in (0, 1)]
    rows = []
    for number, (breadth, intensity) in figures.items():
        n = round(breadth * 1.2)
        p_breadth = p_intensity = None
        if n < _N_MIN:
            quadrant, reason = "insufficient", "TOO_FEW"
        elif lines[0] is None or lines[1] is None:
            quadrant, reason = "insufficient", "TOO_FEW_PEERS"
        else:
            p_breadth = breadth / (breadth + lines[0])
            p_intensity = intensity / (intensity + lines[1])
            is_clear = max(p_breadth, 1 - p_breadth) >= 0.55 and max(p_intensity, 1 - p_intensity) >= 0.55
            sides = {(True, True): "phenomenon", (True, False): "broad_hit", (False, True): "cult"}
            quadrant = sides.get((p_breadth > 0.5, p_intensity > 0.5), "quiet") if is_clear else "borderline"
            reason = None if is_clear else "NEAR_MEDIAN"
        around = (intensity, intensity * 0.7, intensity * 1.4) if breadth > 0 else (None, None, None)
        identity = key["kind"], number, key["day"], key["period"], key["band"]
        breadths = breadth, lines[0], p_breadth
        rows.append((*identity, quadrant, reason, n, _N_MIN, len(peers), *breadths, *around, lines[1], p_intensity))
    return rows


def _metrics(kind: str, number: int, band: str, day: date) -> dict[str, Any]:
    is_missing = number % 3 == 2
    reasons = dict.fromkeys(_FIGURES, "TOO_FEW") | {"half_life_days": "NO_DECAY", "hold_up": "WINDOWS_OVERLAP"}
    figures: dict[str, Any] = {}
    for name in _FIGURES:
        value = 0.4 if name == "hold_up" else 12.5 if name.endswith("_days") else 0.25
        shown = None if is_missing or name.endswith("_year_days") else value
        figures |= {
            f"{name}_n": 34,
            name: shown,
            f"{name}_low": None if shown is None else -0.2 if name == "hold_up" else value * 0.8,
            # A half-life without an upper end.
            f"{name}_high": None if shown is None or (name == "half_life_days" and number == 1) else value * 1.4,
            f"{name}_reason": None if shown is not None else "TOO_YOUNG" if not is_missing else reasons[name],
        }
    if is_missing:
        figures["half_life_days_low"] = 30.0
    return {
        "title_kind": kind, "title_id_trakt": number, "as_of": day, "age_days": 120, "age_band": band,
        "anchor": "release", "comments": 60, "replies_counted": False, "n_min": _N_MIN, **figures,
        "half_life_aic_gain": None if is_missing else 3.5, "hold_up_n_before": 12, "hold_up_n_after": 12,
        "hold_up_first_seen_by_backfill": number == 1,
    }  # fmt: skip


def _one(connection: Any) -> None:
    """Write what only the page of one title shows."""
    for back in range(125):
        _insert(connection, "gold.trakt_comments_daily", {
            "title_kind": "movie", "title_id_trakt": 1, "day": AS_OF - timedelta(days=back), "comments": back // 20,
            **dict.fromkeys(("replies", "commenters", "reviews", "spoilers", "likes", "reply_count", "rated"), 0),
            **dict.fromkeys(("edited", "late_arrivals", "likes_added", "likes_net_change"), 0),
        })  # fmt: skip
    for version, run in enumerate(("run-3", "run-gone"), 1):
        _insert(connection, "gold.trakt_versions", {
            "bronze_version": version, "project_hash": "0" * 64, "as_of": AS_OF, "build_id": f"v{version}",
            "source_system": "replay", "files": "{}", "run_id": run,
        })  # fmt: skip
    _insert(connection, "trakt.titles", {
        "kind": "movie", "trakt_id": 1, "names": ["movie:night-ferry", "movie:1"], "slug": "night-ferry",
        "imdb": "tt0000001", "tmdb": 1, "title": "Night Ferry", "state": "tracked", "resolved_at": AS_OF,
        "next_sweep_at": AS_OF,
    })  # fmt: skip
