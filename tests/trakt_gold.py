"""Builds of gold for tests: Parquet files, manifest and pointer, as the models write them."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.trakt.gold.build import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["AS_OF", "FIGURES", "Rows", "build", "rows"]

Rows = dict[str, list[dict[str, Any]]]

AS_OF = date(2026, 11, 29)
OBSERVED = datetime(2026, 11, 29, 11, 5, 6, 789_000, tzinfo=UTC)
FIGURES = (
    *("breadth", "intensity", "half_life_days", "t50_days", "t80_days", "t50_year_days", "t80_year_days"),
    *("hold_up", "retention"),
)
PERIODS = ("7d", "28d", "90d", "all")


def figure(name: str, value: float | None, reason: str = "insufficient") -> dict[str, Any]:
    low, high = (None, None) if value is None else (value * 0.9, value * 1.1)
    return {
        f"{name}_n": 40,
        name: value,
        f"{name}_low": low,
        f"{name}_high": high,
        f"{name}_reason": reason if value is None else None,
    }


def rows(titles: int = 3, days: int = 2, as_of: date = AS_OF) -> Rows:
    """Return rows of all tables, for titles with ids from 1 and days up to a date."""
    found: Rows = {table: [] for table in TABLES}
    for number in range(1, titles + 1):
        key = {"title_kind": "movie", "title_id_trakt": number}
        found["trakt_titles"].append(
            {
                **key,
                **dict.fromkeys(("imdb_id", "certification", "language", "country", "gone_on", "tmdb_popularity")),
                **dict.fromkeys(("tmdb_vote_average", "tmdb_vote_count", "comments_without_day", "deleted_comments")),
                "slug": f"title-{number}",
                "title": f"Title {number}",
                "year": 2024,
                "tmdb_id": 10_000 + number,
                "status": "released",
                "released": date(2024, 5, 1),
                "runtime_min": 100,
                "genres": ["drama", 'film "noir"', "a,b\\c"],
                "comment_count": 40,
                "votes": 1600,
                "rating": 7.625,
                "rating_observed_at": OBSERVED,
                "first_comment_at": OBSERVED,
                "is_gone": False,
                "is_synthetic": True,
                "observed_at": OBSERVED,
            }
        )
        for back in range(days):
            day = as_of - timedelta(days=back)
            counts = dict.fromkeys(("replies", "commenters", "reviews", "spoilers", "likes", "rated"), 1)
            found["trakt_comments_daily"].append(
                {
                    **key,
                    "day": day,
                    "comments": 5,
                    **counts,
                    "reply_count": 0,
                    "rating_sum": 8.0,
                    "edited": 0,
                    "late_arrivals": 0,
                    "likes_added": 2,
                    "likes_net_change": -1,
                }
            )
            found["trakt_engagement_daily"] += [
                {
                    **key,
                    "as_of": day,
                    "period": period,
                    "comments": 5,
                    **counts,
                    "further_comments": 2,
                    "rating_mean": 8.0,
                }
                for period in PERIODS
            ]
            figures = {name: value for each in FIGURES for name, value in figure(each, 1.5).items()}
            found["trakt_metrics_daily"].append(
                {
                    **key,
                    "as_of": day,
                    "age_days": 900,
                    "age_band": "2 to 5 years",
                    "anchor": "release",
                    "comments": 40,
                    "replies_counted": False,
                    "n_min": 30,
                    **figures,
                    "half_life_aic_gain": 3.5,
                    "hold_up_n_before": 12,
                    "hold_up_n_after": 11,
                    "hold_up_first_seen_by_backfill": True,
                }
            )
            found["trakt_quadrants_daily"] += [
                {
                    **key,
                    "as_of": day,
                    "period": period,
                    "age_band": "2 to 5 years",
                    "quadrant": "cult",
                    "reason": None,
                    "n": 40,
                    "n_min": 30,
                    "peers": 12,
                    **dict.fromkeys(("breadth", "breadth_median", "p_breadth_high", "intensity", "intensity_low"), 0.5),
                    **dict.fromkeys(("intensity_high", "intensity_median", "p_intensity_high"), 0.5),
                }
                for period in PERIODS
            ]
    return found


def build(
    bucket: Path,
    content: Rows,
    *,
    version: int = 1,
    as_of: date = AS_OF,
    source: str = "replay",
    replaces: str = "days",
    tables: Mapping[str, pa.Table] | None = None,
    without: Sequence[str] = (),
    erasures: int = 0,
) -> str:
    """Write a build and point to it; return its id.

    Args:
        bucket: the folder of the bucket.
        content: table -> its rows.
        version: bronze version.
        as_of: its day.
        source: trakt or replay.
        replaces: mode of the tables with days.
        tables: table -> what its file holds instead of the rows.
        without: tables that the manifest lacks.
        erasures: erasures of the bronze table before it.
    """
    name = f"v{version}-{'0' * 12}-{as_of}"
    folder = bucket / "gold" / name
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for table in TABLES:
        held = (tables or {}).get(table)
        held = pa.Table.from_pylist(content[table]) if held is None else held
        out = io.BytesIO()
        pq.write_table(held, out)
        (folder / f"{table}.parquet").write_bytes(out.getvalue())
        files[table] = {
            "file": f"{table}.parquet",
            "rows": held.num_rows,
            "sha256": hashlib.sha256(out.getvalue()).hexdigest(),
            "replaces": "all" if table in ("trakt_titles", "trakt_comments_daily") else replaces,
        }
    manifest = {
        "format": 1,
        "bronze_version": version,
        "erasures": erasures,
        "project_hash": "0" * 64,
        "as_of": str(as_of),
        "run_id": "run-model",
        "source_system": source,
        "tables": {table: file for table, file in files.items() if table not in without},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (bucket / "gold" / "current.json").write_text(json.dumps({"build": name}), encoding="utf-8")
    return name
