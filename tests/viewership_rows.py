"""Uploads in schema `viewership` without files: rows are written, matched and loaded by the tables' own functions.

    from tests.viewership_rows import EPISODES, catalogue, reconciled, row, upload

`catalogue` imports two series; `upload` stores rows as one upload and takes them to the final table; `reconciled`
fails unless all hours add up to those of the uploads and the final table is exactly what is due.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from jobs.viewership.catalog.import_ import import_files
from jobs.viewership.matching.matcher import match_keys
from jobs.viewership.matching.model import reason
from jobs.viewership.matching.prepare import MatchKey
from jobs.viewership.tables.fates import fates, sync
from jobs.viewership.tables.keys import distinct_keys
from jobs.viewership.tables.matches import keys_of, write_matches
from jobs.viewership.tables.rows import with_scopes, write_rows
from jobs.viewership.tables.uploads import ACTIVE, NewUpload, claim, find, update
from shared.database.session import transaction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobs.viewership.tables.fates import Fates
    from shared.database.session import DatabaseSession
    from tests.postgres_server import Database

__all__ = ["DETAILS", "EPISODES", "catalogue", "match", "reconciled", "row", "spellings", "store", "upload"]

EPISODES = """ref_id,series,series_code,content_provider,status,season,episode,title
HL-0101,Harbour Lights,HL,Alder Media,active,1,1,The Long Storm
HL-0102,Harbour Lights,HL,Alder Media,active,1,2,The Quiet Harvest
HL-0103,Harbour Lights,HL,Alder Media,active,1,3,A Bridge of Salt
OF-0101,The Outpost,OF,Birch,active,1,1,Nobody Waits Here
OF-0102,The Outpost,OF,Birch,active,1,2,Seven Empty Chairs
"""
DETAILS = """
    viewership_id, label, upload_id, key_id, scope_id, episode_id, platform, domain, platform_partner_name,
    platform_channel_name, platform_territory, platform_content_name, platform_content_id, platform_series,
    viewership_partner, deal_parent, channel, channel_id, territory, territory_id, internal_series, ref_id, asset_title,
    asset_series, content_provider, series_code, season_number, episode_number, language, hours, minutes, views,
    sessions, unique_viewers, tot_completions, register_name, payment_amount, currency, date, start_time, end_time,
    week, day, month, quarter, year, year_month_day, filename, bucket, confidence
"""
_numbers = itertools.count(1)


def catalogue(database: Database, text: str = EPISODES) -> None:
    """Import episodes."""
    with transaction(database.settings()) as session:
        done = import_files(session, [("episodes.csv", text.encode())], source="test", by="tester")
    assert not done.plan.bad, [str(bad) for bad in done.plan.bad]


def row(title: str | None = None, hours: str | None = "1", **values: Any) -> dict[str, Any]:
    """Return one unit: ``series``, ``season``, ``episode``, ``content_id``, ``revenue``, ``partner`` and so on.

    Args:
        title: the title.
        hours: hours as text; None for none.
        values: other columns; ``held`` makes the row wait for a deal.
    """
    return {"content_name": title, "hours": hours, **values}


def spellings(title: str) -> list[dict[str, Any]]:
    """Return a row that is matched, and four of a key that waits: in two spellings, without a deal, without hours."""
    return [
        row("The Long Storm", "2", series="Harbour Lights"),
        row(title, "5.25", series="Harbour Lights"),
        row(title.upper(), "0.75", series="harbour lights"),
        row(title, "3", series="Harbour Lights", held=True),
        row(title, None, series="Harbour Lights"),
    ]


def store(
    session: DatabaseSession, rows: Iterable[dict[str, Any]], *, platform: str = "tubi", label: str = "Viewership"
) -> int:
    """Store rows as an upload in state ``normalized``, with a deal for every row except held ones."""
    number = next(_numbers)
    units = list(rows)
    texts = ("content_name", "content_name_2", "series", "season", "episode", "content_id", "partner", "territory")
    frame = pl.DataFrame(
        {
            "line": pl.Series(range(2, len(units) + 2), dtype=pl.Int32),
            "position": pl.Series([0] * len(units), dtype=pl.Int32),
            **{name: pl.Series([unit.get(name) for unit in units], dtype=pl.String) for name in texts},
            "channel": pl.Series(["(held)" if unit.get("held") else "Main" for unit in units], dtype=pl.String),
            **{
                name: pl.Series(
                    [None if unit.get(name) is None else Decimal(unit[name]) for unit in units],
                    dtype=pl.Decimal(38, 10),
                )
                for name in ("hours", "revenue")
            },
            "date": pl.Series([unit.get("date", date(2025, 7, 1)) for unit in units], dtype=pl.Date),
            "topline": pl.Series([False] * len(units), dtype=pl.Boolean),
        }
    ).with_columns(
        (pl.col("hours") * 60).cast(pl.Decimal(38, 10)).alias("minutes"),
        pl.col("date").dt.truncate("1w").alias("week"),
        pl.col("date").dt.day().alias("day"),
        pl.col("date").dt.month().alias("month"),
        pl.col("date").dt.year().alias("year"),
        pl.lit("q3").alias("quarter"),
    )
    sha256 = hashlib.sha256(str(number).encode()).hexdigest()
    claimed = claim(session, NewUpload(sha256, f"raw/{sha256}", f"{platform}-{number}.csv", 10, {}), "run")
    upload_id = claimed.upload.upload_id
    rows = with_scopes(session, platform, "Distribution Partners", frame)
    write_rows(session, upload_id, rows, distinct_keys(platform, rows.filter(~pl.col("topline"))))
    update(
        session,
        upload_id,
        platform=platform,
        domain="Distribution Partners",
        label=label,
        format=f"{platform}-1",
        status="normalized",
        units=len(units),
        hours=sum((Decimal(unit["hours"]) for unit in units if unit.get("hours") is not None), Decimal()),
        revenue=sum((Decimal(unit["revenue"]) for unit in units if unit.get("revenue") is not None), Decimal()),
        first_date=frame["date"].min(),
        last_date=frame["date"].max(),
        canonical_sha256=sha256,
    )
    session.run(
        "UPDATE viewership.scopes SET deal_parent = CASE WHEN platform_channel_name = '(held)' THEN NULL ELSE '1' END,"
        " code = CASE WHEN platform_channel_name = '(held)' THEN 'NO_DEAL' END, partner = 'Partner', channel = 'Main',"
        " territory = 'US' WHERE deal_parent IS NULL"
    )
    return upload_id


def match(session: DatabaseSession, upload_id: int) -> None:
    """Match the keys of an upload that have no match yet, and put it into state ``matched``."""
    found = match_keys(session, [MatchKey(*key) for key in keys_of(session, [upload_id])])
    write_matches(
        session,
        [each.key for each in found.matches],
        [
            {
                "key_id": each.key,
                "status": each.decision.value,
                "bucket": each.bucket,
                "episode_id": each.episode_id,
                "confidence": each.confidence,
                "candidates": json.dumps(
                    [
                        {"episode_id": one.episode_id, "score": one.score, "found_by": one.found_by}
                        for one in each.candidates
                    ]
                ),
                "margin": each.margin,
                "reasons": json.dumps([reason(code) for code in each.reasons]),
                "rule_version": found.rules,
                "catalogue_version": found.catalog_version,
                "pipeline_run_id": "run",
            }
            for each in found.matches
        ],
    )
    update(session, upload_id, status="matched")


def upload(
    database: Database, rows: Iterable[dict[str, Any]], *, platform: str = "tubi", label: str = "Viewership"
) -> int:
    """Store, match and load rows as one upload, and return its number."""
    with transaction(database.settings()) as session:
        upload_id = store(session, rows, platform=platform, label=label)
        session.rows("SELECT viewership.lock_final(ARRAY[:platform])", platform=platform)
        match(session, upload_id)
        update(session, upload_id, status="loaded", loaded_at=datetime.now(UTC))
        sync(session, "upload", [upload_id], actor="tester", reason="load")
    return upload_id


def reconciled(database: Database) -> dict[int, Fates]:
    """Return the fates of every upload, and fail unless they add up and the final table is what is due."""
    with transaction(database.settings()) as session:
        uploads = [each.upload_id for each in find(session, status=ACTIVE)]
        found = {each: fates(session, each) for each in uploads}
        stale = session.rows(
            f"SELECT {DETAILS} FROM viewership.episode_details EXCEPT SELECT {DETAILS} FROM viewership.due_details"
        )
        lost = session.rows(
            f"SELECT {DETAILS} FROM viewership.due_details EXCEPT SELECT {DETAILS} FROM viewership.episode_details"
        )
        assert (stale, lost) == ([], [])
        for upload_id, each in found.items():
            assert each.difference == (0, 0, 0), f"upload {upload_id}"
        queue = session.rows("SELECT COALESCE(sum(rows), 0), COALESCE(sum(hours), 0) FROM viewership.review_queue")[0]
        waits = session.rows(
            "SELECT count(*), COALESCE(sum(f.hours), 0) FROM viewership.row_fates f"
            " JOIN viewership.matches m USING (key_id) JOIN viewership.uploads u USING (upload_id)"
            " WHERE f.fate IN ('review', 'unmatched') AND m.status <> 'rejected'"
            " AND u.status IN ('matched', 'loaded', 'partial')"
        )[0]
        assert tuple(queue) == tuple(waits)
    return found
