"""Rows and pages for the benchmark of matching: copies of the two views, and uploads whose rows are real."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from shared.database.session import DatabaseSession

__all__ = ["seed", "ways"]

_PLATFORMS: Final = "ARRAY['tubi', 'philo', 'roku', 'pluto', 'youtube', 'samsung', 'xumo', 'freevee']"
_BUCKETS: Final = (
    "ARRAY['FULL_DATA', 'REF_ID_SERIES', 'REF_ID_ONLY', 'SERIES_SEASON_EPISODE', 'SERIES_ONLY', 'TITLE_ONLY', 'FUZZY',"
    " NULL, NULL, NULL]"
)
_FATES: Final = "ARRAY['final', 'final', 'final', 'final', 'final', 'final', 'final', 'review', 'unmatched', 'held']"
_BARE: Final = "SELECT sum(units), sum(hours) FROM console.match_rates"
_BARE_QUERY: Final = "SELECT count(*) FROM viewership.platform_viewership WHERE upload_id <= 5"
# Rows that the original's queries may read, in five uploads.
_ROWS: Final = 20_000


def seed(session: DatabaseSession, uploads: int, keys: int) -> None:
    """Write uploads with 52 weeks of ten fates each, and keys that wait unless there are some. Call it last.

    Args:
        session: an open transaction on a migrated database.
        uploads: number of uploads; 200 make 104,000 rows of the copy.
        keys: number of keys in review.
    """
    ((alone,),) = session.rows("SELECT NOT EXISTS (SELECT FROM viewership.keys)")
    _uploads(session, uploads)
    _rates(session)
    _log(session)
    _rows(session)
    # A copy of the future is never made again: the view has none of these rows.
    frozen = ["match_rates"]
    if alone:
        frozen.append("review_keys")
        session.run(
            f"""
            INSERT INTO console.review_keys (review_digest, platform, status, title, keys, rows, held, uploads, hours,
                revenue, candidates, waiting_since)
            SELECT decode(md5('matching ' || n), 'hex'), ({_PLATFORMS})[1 + n % 8], 'review', 'Title ' || n, ARRAY[n],
                10, 0, 1, n % 9973, 0, 3, now()
            FROM generate_series(1, :keys) n
            """,
            keys=keys,
        )
    session.run(
        """
        INSERT INTO console.snapshots (name, mark, taken_at, took_ms)
        SELECT name, '', now() + interval '1 day', 1 FROM unnest(CAST(:names AS text[])) name
        ON CONFLICT (name) DO UPDATE SET taken_at = EXCLUDED.taken_at
        """,
        names=frozen,
    )


def _uploads(session: DatabaseSession, uploads: int) -> None:
    session.run(
        f"""
        INSERT INTO viewership.uploads (sha256, object_key, filename, size_bytes, platform, domain, label, format,
            status, units, hours, revenue, loaded_at, pipeline_run_id, created_at)
        SELECT encode(sha256(('matching ' || n)::bytea), 'hex'), 'matching/' || n, 'report-' || n || '-2025.csv', 1000,
            ({_PLATFORMS})[1 + n % 8], 'Distribution Partners', 'Viewership', 'canonical', 'loaded',
            CASE WHEN n > :uploads - 5 THEN :rows / 5 ELSE 520000 END, 0, 0, now(), 'run-1',
            now() - make_interval(hours => :uploads - n)
        FROM generate_series(1, :uploads) n
        """,
        uploads=uploads,
        rows=_ROWS,
    )


def _rates(session: DatabaseSession) -> None:
    session.run(
        f"""
        INSERT INTO console.match_rates (upload_id, platform, week, fate, bucket, units, hours, revenue)
        SELECT u.upload_id, u.platform, DATE '2025-01-06' + 7 * w, ({_FATES})[f], ({_BUCKETS})[f], 1000,
            1234.5678901234 + f + w, 0
        FROM viewership.uploads u, generate_series(0, 51) w, generate_series(1, 10) f
        WHERE u.object_key LIKE 'matching/%'
        """
    )


def _log(session: DatabaseSession) -> None:
    session.run(
        """
        INSERT INTO viewership.error_log (upload_id, platform, procedure_name, status, rows_affected, execution_ms,
            pipeline_run_id)
        SELECT u.upload_id, u.platform, p.name, 'success', 1000, 100 + (u.upload_id * 7919 + p.place * 104729) % 60000,
            'run-1'
        FROM viewership.uploads u, unnest(ARRAY['upload', 'normalize', 'match FULL_DATA', 'match REF_ID_SERIES',
            'match SERIES_SEASON_EPISODE', 'match TITLE_ONLY', 'match FUZZY', 'match', 'load'])
            WITH ORDINALITY AS p (name, place)
        WHERE u.object_key LIKE 'matching/%'
        """
    )


def _rows(session: DatabaseSession) -> None:
    """Write the rows of the five newest uploads: matched ones with final rows, and each tenth unmatched."""
    newest = (
        "(SELECT upload_id, platform, filename, row_number() OVER (ORDER BY upload_id DESC) AS place"
        " FROM viewership.uploads WHERE object_key LIKE 'matching/%' ORDER BY upload_id DESC LIMIT 5)"
    )
    session.run(
        """
        INSERT INTO viewership.scopes (platform, domain, digest, deal_parent, channel, territory)
        VALUES ('tubi', 'd', decode(md5('matching'), 'hex'), '1', 'Main', 'US')
        """
    )
    session.run(
        """
        INSERT INTO viewership.keys (digest, platform, content_name, review_key, review_digest, key_version)
        SELECT decode(md5('matching ' || n), 'hex'), 'tubi', 'matching ' || n, ARRAY['tubi', '', '', '', '', ''],
            decode(md5('matching ' || n), 'hex'), 1
        FROM generate_series(1, 4000) n
        """
    )
    session.run(
        """
        INSERT INTO viewership.matches (key_id, status, bucket, episode_id, reasons, rule_version, catalogue_version,
            pipeline_run_id)
        SELECT key_id, CASE WHEN n % 10 = 0 THEN 'unmatched' ELSE 'matched' END, 'FULL_DATA',
            CASE WHEN n % 10 > 0 THEN 1 END, '[{"code": "NO_CANDIDATE"}]', '1', 1, 'run-1'
        FROM (SELECT key_id, row_number() OVER (ORDER BY key_id) AS n FROM viewership.keys
            WHERE content_name LIKE 'matching %') k
        """
    )
    session.run(
        f"""
        INSERT INTO viewership.platform_viewership (upload_id, line, scope_id, key_id, platform_content_name, tot_hov,
            date, week, day, month, quarter, year)
        SELECT u.upload_id, k.n, s.scope_id, k.key_id, 'Title', 1, DATE '2025-01-06', DATE '2025-01-06',
            6, 1, 'q1', 2025
        FROM {newest} u, viewership.scopes s,
            (SELECT key_id, row_number() OVER (ORDER BY key_id) AS n FROM viewership.keys
                WHERE content_name LIKE 'matching %') k
        WHERE s.digest = decode(md5('matching'), 'hex')
        """
    )
    session.run(
        """
        INSERT INTO viewership.episode_details (viewership_id, label, upload_id, key_id, scope_id, episode_id, platform,
            domain, deal_parent, channel, territory, asset_series, hours, filename, bucket, confidence)
        SELECT r.id, 'Viewership', r.upload_id, r.key_id, r.scope_id, 1, u.platform, 'd', '1', 'Main', 'US', 'S',
            r.tot_hov, u.filename, 'FULL_DATA', 1
        FROM viewership.platform_viewership r JOIN viewership.uploads u USING (upload_id)
            JOIN viewership.matches m USING (key_id)
        WHERE m.status = 'matched' AND u.object_key LIKE 'matching/%'
        """
    )


def ways(uploads: int) -> dict[str, tuple[Callable[[random.Random], str], str]]:
    """Return the pages: name to URL from a random draw, and the query without which it could not be.

    Args:
        uploads: number of uploads.
    """
    platforms = ("tubi", "philo", "roku", "pluto")

    def upload(draw: random.Random) -> int:
        return draw.randint(1, uploads)

    found: dict[str, Any] = {
        "matching": (lambda _: "/matching", _BARE),
        "matching by platform": (lambda draw: f"/matching?platform={draw.choice(platforms)}", _BARE),
        "matching by upload": (lambda draw: f"/matching?upload={upload(draw)}", _BARE),
        "matching by weeks": (lambda _: "/matching?from=2025-03-01&to=2025-06-01", _BARE),
        "matching uploads.csv": (lambda _: "/matching/uploads.csv", _BARE),
        "verification queries": (lambda _: "/matching/checks", _BARE_QUERY),
    }
    return found
