"""The views for boards: match rates by week, times of phases, uploads of the last 30 days."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tests.postgres_server import postgres  # noqa: F401
from tests.rolled_back import database  # noqa: F401

if TYPE_CHECKING:
    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

# Uploads 1 and 2 are stored; of the rest nothing counts.
UPLOADS = """
    INSERT INTO viewership.uploads (sha256, object_key, filename, size_bytes, platform, domain, label, format, status,
        units, hours, revenue, pipeline_run_id, created_at)
    SELECT repeat(n::text, 64), 'raw/' || n, n || '.csv', 1, platform, 'd', 'Viewership', 'f-1', status, 3, 0, 0, 'r',
        now() - days * interval '1 day'
    FROM (VALUES (1, 'pluto', 'loaded', 1), (2, 'pluto', 'partial', 2), (3, 'pluto', 'retracted', 3),
        (4, 'pluto', 'overlap', 4), (5, 'pluto', 'loaded', 31), (6, 'roku', 'refused', 5)) v (n, platform, status, days)
    ORDER BY n
"""
ROWS = """
    INSERT INTO catalog.series (id, source, code, code_key) OVERRIDING SYSTEM VALUE VALUES (1, 'a', 'HL', 'hl');
    INSERT INTO catalog.episodes (id, series_id, source) OVERRIDING SYSTEM VALUE VALUES (1, 1, 'a');
    INSERT INTO viewership.scopes (platform, domain, digest, deal_parent, channel, territory)
        VALUES ('pluto', 'd', decode(repeat('0', 32), 'hex'), '7', 'Cosy', 'US');
    INSERT INTO viewership.keys (digest, platform, content_name, review_key, review_digest, key_version)
        SELECT decode(repeat(n::text, 32), 'hex'), 'pluto', 't' || n, array_fill('x'::text, ARRAY[6]),
            decode(repeat(n::text, 32), 'hex'), 1 FROM generate_series(1, 2) n;
    INSERT INTO viewership.matches (key_id, status, bucket, episode_id, confidence, rule_version, catalogue_version,
        pipeline_run_id)
        VALUES (1, 'matched', 'FULL_DATA', 1, 1, 'r', 1, 'r'), (2, 'review', NULL, NULL, NULL, 'r', 1, 'r');
    INSERT INTO viewership.platform_viewership (upload_id, line, scope_id, key_id, tot_hov, date, week, day)
        VALUES (1, 2, 1, 1, 1.5, '2025-07-03', '2025-06-30', 3), (1, 3, 1, 1, 2, '2025-07-09', '2025-07-07', 9),
            (1, 4, 1, 1, NULL, '2025-07-09', '2025-07-07', 9), (1, 5, 1, 2, 4, '2025-07-09', '2025-07-07', 9),
            (1, 6, 1, NULL, 8, '2025-07-09', '2025-07-07', 9), (3, 2, 1, 1, 100, '2025-07-03', '2025-06-30', 3);
    INSERT INTO viewership.set_aside_rows (upload_id, line, fate, code, message, hours)
        VALUES (1, 7, 'rejected', 'DATE', 'm', 16), (1, 8, 'filtered', 'TOTAL', 'm', NULL)
"""


def test_match_rates_by_week_have_every_unit_once(database: Database):
    database.rows(UPLOADS)
    for statement in ROWS.split(";"):
        database.rows(statement)
    found = database.rows(
        "SELECT week::text, fate, bucket, units, hours FROM viewership.match_rates WHERE upload_id = 1 ORDER BY 1, 2, 3"
    )
    assert found == [
        ("2025-06-30", "final", "FULL_DATA", 1, Decimal("1.5")),
        ("2025-07-07", "final", "FULL_DATA", 1, Decimal(2)),
        ("2025-07-07", "held", None, 1, Decimal(0)),
        ("2025-07-07", "review", None, 1, Decimal(4)),
        ("2025-07-07", "topline", None, 1, Decimal(8)),
        (None, "filtered", None, 1, Decimal(0)),
        (None, "rejected", None, 1, Decimal(16)),
    ]
    assert database.rows("SELECT DISTINCT upload_id FROM viewership.match_rates") == [(1,)]


def test_times_of_a_phase_cover_all_attempts(database: Database):
    database.rows(
        "INSERT INTO viewership.error_log (upload_id, platform, procedure_name, status, rows_affected, execution_ms,"
        " pipeline_run_id)"
        " VALUES (1, 'pluto', 'load', 'failed', NULL, 40, 'r'), (1, 'pluto', 'load', 'success', 9, 2, 's'),"
        " (1, 'pluto', 'match', 'success', 3, 7, 's'), (NULL, NULL, 'load', 'failed', NULL, 1, 'r')"
    )
    found = database.rows(
        "SELECT upload_id, procedure_name, platform, attempts, status, rows_affected, execution_ms, total_ms"
        " FROM viewership.phase_times ORDER BY 2"
    )
    assert found == [(1, "load", "pluto", 2, "success", 9, 2, 42), (1, "match", "pluto", 1, "success", 3, 7, 7)]


def test_recent_uploads_are_those_of_30_days(database: Database):
    database.rows(UPLOADS)
    found = database.rows(
        "SELECT platform, uploads, loaded, failed, waiting, failure_rate FROM viewership.recent_uploads ORDER BY 1"
    )
    assert found == [("pluto", 4, 1, 1, 1, Decimal("0.25")), ("roku", 1, 0, 1, 0, Decimal(1))]


def test_recent_uploads_begin_at_the_start_of_a_day_in_utc(database: Database):
    database.rows(UPLOADS)
    begin = "(date_trunc('day', now() AT TIME ZONE 'UTC') - interval '30 days') AT TIME ZONE 'UTC'"
    database.rows(f"UPDATE viewership.uploads SET created_at = {begin}")
    with database.connect() as connection:
        connection.execute("SET TIME ZONE 'America/Chicago'")
        assert connection.execute("SELECT sum(uploads) FROM viewership.recent_uploads").fetchone() == (6,)
    database.rows(f"UPDATE viewership.uploads SET created_at = {begin} - interval '1 second'")
    assert database.rows("SELECT count(*) FROM viewership.recent_uploads") == [(0,)]
