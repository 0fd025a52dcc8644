"""Uploads for the benchmark of the console: many small ones, one large one, and the ways to their pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from shared.database.session import DatabaseSession

__all__ = ["seed", "ways"]

_UPLOADS: Final = 10_000
_LARGE: Final = 1_000_000
_KEYS: Final = 50_000
_BARE: Final = "SELECT * FROM viewership.uploads ORDER BY upload_id DESC LIMIT 51"
_AMOUNT: Final = "(n % 977) / 8.0"


def seed(database: DatabaseSession, *, quick: bool) -> None:
    """Write uploads with rows, keys, matches, a log of their phases and final rows of the large one, upload 1.

    Of 20 uploads, one waits for an answer, one was refused and one is partial; small ones have 20 rows. Four of five
    keys are matched.

    Args:
        database: an empty, migrated database.
        quick: write a twentieth.
    """
    part = 20 if quick else 1
    uploads, large, keys = _UPLOADS // part, _LARGE // part, _KEYS // part
    values = {"uploads": uploads, "large": large, "keys": keys}
    for statement in (
        *(_SERIES_SQL, _EPISODES_SQL, _UPLOADS_SQL, _NAMES_SQL, _SCOPES_SQL, _KEYS_SQL, _MATCHES_SQL, _ROWS_SQL),
        *(_ASIDE_SQL, _LOG_SQL),
    ):
        used = {name: value for name, value in values.items() if f":{name}" in statement}
        database.run(statement, **used)
    database.run("ANALYZE")
    database.rows("SELECT viewership.sync('upload', ARRAY[1], 'bench', 'bench')")


_SERIES_SQL: Final = "INSERT INTO catalog.series (id, source) VALUES (1, 'bench') ON CONFLICT DO NOTHING"
_EPISODES_SQL: Final = (
    "INSERT INTO catalog.episodes (id, series_id, source) VALUES (1, 1, 'bench') ON CONFLICT DO NOTHING"
)
_UPLOADS_SQL: Final = """
    INSERT INTO viewership.uploads (sha256, object_key, filename, size_bytes, platform, domain, label, format, status,
        code, units, hours, revenue, first_date, last_date, loaded_at, pipeline_run_id, created_at)
    SELECT encode(sha256(n::text::bytea), 'hex'), 'raw/' || n, 'platform-' || n % 40 || '-week-' || n || '.csv', 1000,
        'platform-' || n % 40, 'd', 'Viewership', 'canonical-1', s.status,
        CASE s.status WHEN 'overlap' THEN 'OVERLAP' WHEN 'refused' THEN 'EMPTY' WHEN 'partial' THEN 'BUCKET_FAILED' END,
        CASE n WHEN 1 THEN :large + 1000 ELSE 20 END,
        CASE n WHEN 1 THEN (SELECT sum((k % 977) / 8.0) FROM generate_series(1, :large) k) ELSE 100 END, 0,
        date '2025-01-01' + n % 600, date '2025-01-07' + n % 600, now(), 'run-' || lpad(n::text, 8, '0'),
        now() - make_interval(mins => 10 * n)
    FROM generate_series(1, :uploads) n
        CROSS JOIN LATERAL (SELECT coalesce((ARRAY['loaded', 'overlap', 'refused', 'partial'])[n % 20], 'loaded')
            AS status) s
"""
_NAMES_SQL: Final = """
    INSERT INTO viewership.upload_names (upload_id, filename) SELECT upload_id, filename FROM viewership.uploads
"""
_SCOPES_SQL: Final = """
    INSERT INTO viewership.scopes (platform, domain, digest, deal_parent, channel, territory, code)
    SELECT 'platform-' || n % 40, 'd', decode(md5(n::text), 'hex'), '77', 'Main', 'US',
        CASE n % 50 WHEN 0 THEN 'NO_DEAL' END
    FROM generate_series(1, 400) n
"""
_KEYS_SQL: Final = """
    INSERT INTO viewership.keys (digest, platform, content_name, review_key, review_digest, key_version)
    SELECT decode(md5('k' || n), 'hex'), 'platform-1', 'Title ' || n, ARRAY['platform-1', 't', 's', '1', n::text, ''],
        decode(md5('r' || n), 'hex'), 1
    FROM generate_series(1, :keys) n
"""
_MATCHES_SQL: Final = """
    INSERT INTO viewership.matches (key_id, status, bucket, episode_id, confidence, reasons, rule_version,
        catalogue_version, pipeline_run_id)
    SELECT key_id, s.status, CASE s.status WHEN 'matched' THEN 'FULL_DATA' END,
        CASE s.status WHEN 'matched' THEN 1 END, CASE s.status WHEN 'matched' THEN 1 END,
        CASE s.status WHEN 'matched' THEN '[]' ELSE '[{"code": "BELOW_CUT"}]' END::jsonb, '1', 1, 'run-1'
    FROM viewership.keys CROSS JOIN LATERAL
        (SELECT (ARRAY['review', 'matched', 'matched', 'matched', 'matched'])[1 + key_id % 5] AS status) s
"""
_ROWS_SQL: Final = f"""
    INSERT INTO viewership.platform_viewership (upload_id, line, scope_id, key_id, platform_content_name, tot_hov, date,
        week, day, month, quarter, year)
    SELECT r.upload_id, r.line, (SELECT min(scope_id) FROM viewership.scopes) + n % 400, k.first + n % :keys,
        'Title ' || n % :keys, {_AMOUNT}, date '2025-01-01' + n % 28, date '2024-12-30' + 7 * (n % 4), 1, 1, 'q1', 2025
    FROM (SELECT 1 AS upload_id, n AS line, n FROM generate_series(1, :large) n
            UNION ALL SELECT u.upload_id, n, u.upload_id::integer + n
            FROM viewership.uploads u CROSS JOIN generate_series(1, 20) n
            WHERE u.status IN ('loaded', 'partial') AND u.upload_id > 1) r
        CROSS JOIN (SELECT min(key_id) AS first FROM viewership.keys) k
    ORDER BY r.upload_id, k.first + n % :keys
"""
_ASIDE_SQL: Final = """
    INSERT INTO viewership.set_aside_rows (upload_id, line, fate, code, column_name, raw, message)
    SELECT 1, 2000000 + n, 'rejected', 'NUMBER', 'Hours', 'n/a ' || n, 'the text is not a number'
    FROM generate_series(1, 1000) n
"""
_LOG_SQL: Final = """
    INSERT INTO viewership.error_log (upload_id, platform, procedure_name, status, rows_affected, execution_ms,
        pipeline_run_id)
    SELECT u.upload_id, u.platform, p.name, 'success', 20, 1000, u.pipeline_run_id
    FROM viewership.uploads u CROSS JOIN (SELECT unnest(ARRAY['upload', 'normalize', 'match', 'load', 'match aliases',
        'match ids', 'match numbers', 'match titles', 'match FULL_DATA', 'match TITLE_ONLY', 'match FUZZY',
        'match ALIAS']) AS name) p
"""


def ways() -> dict[str, tuple[Callable[[random.Random], str], str]]:
    """Return the pages of uploads: name -> URL from a random draw, and the bare query."""

    def small(draw: random.Random) -> int:
        return draw.randint(2, _UPLOADS // 20)

    statuses = ("loaded", "waiting", "failed", "partial")
    found: dict[str, Any] = {
        "uploads": lambda _: "/uploads",
        "uploads by status": lambda draw: f"/uploads?status={draw.choice(statuses)}",
        "uploads by platform": lambda draw: f"/uploads?platform=platform-{draw.randrange(40)}",
        "uploads by name": lambda draw: f"/uploads?q=week-{draw.randrange(1000)}",
        "uploads by period": lambda draw: f"/uploads?period=2025-{draw.randint(1, 12):02}&sort=hours",
        "an upload": lambda draw: f"/uploads/{small(draw)}",
        "an upload, live": lambda draw: f"/uploads/{small(draw)}/live",
        "an upload of 1M rows": lambda _: "/uploads/1",
        "rows set aside": lambda _: "/uploads/1/rejects",
    }
    return {name: (way, _BARE) for name, way in found.items()}
