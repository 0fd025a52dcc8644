"""Rows for the pages of matching: uploads of two platforms over eight weeks, with every fate and hostile names."""

from __future__ import annotations

from typing import Any

__all__ = ["HOSTILE", "PAGES", "seed"]

PAGES = (
    "/matching",
    "/matching?platform=tubi&from=2026-01-12&to=2026-02-20&sort=newest&limit=2",
    "/matching?platform=nowhere",
    "/matching/checks",
    "/matching/checks?platform=nowhere",
)
HOSTILE = "<img src=x onerror=alert(1)> 'q' \u202ertl " + "long" * 20 + ".csv"
_UPLOADS = 6
# The table of more than seven is closed. The charts have a dozen elements a week, of which axe looks at each.
_WEEKS = 8
# (fate by match status, bucket): a row of each for every upload and week.
_KEYS = (
    *(("matched", bucket) for bucket in ("FULL_DATA", "REF_ID_SERIES", "SERIES_SEASON_EPISODE", "TITLE_ONLY", "FUZZY")),
    *(("matched", "ALIAS"), ("review", None), ("unmatched", None)),
)


def seed(connection: Any) -> None:
    """Write the rows.

    Args:
        connection: an open connection of psycopg, in a transaction.
    """
    for number in range(_UPLOADS):
        _upload(connection, number)


def _upload(connection: Any, number: int) -> None:
    platform = ("tubi", "philo")[number % 2]
    name = HOSTILE if number == 3 else f"{platform}-{number}.csv"
    rows = _WEEKS * (len(_KEYS) + 1)
    (upload,) = connection.execute(
        "INSERT INTO viewership.uploads (sha256, object_key, filename, size_bytes, platform, domain, label, format,"
        " status, units, hours, revenue, loaded_at, pipeline_run_id, created_at) VALUES (encode(sha256(%s), 'hex'), %s,"
        " %s, 100, %s, 'Distribution Partners', 'Viewership', %s, 'loaded', %s, 0, 0, now(), 'run-1',"
        " now() - %s * interval '5 hours') RETURNING upload_id",
        (f"matching {number}".encode(), f"matching/{number}", name, platform, platform, rows + 2, number),
    ).fetchone()
    held = "'NO_DEAL'"
    for code in ("NULL", held):
        connection.execute(
            "INSERT INTO viewership.scopes (platform, domain, digest, deal_parent, partner, channel, territory, code)"
            f" VALUES (%s, 'Distribution Partners', decode(md5(%s), 'hex'), '1', 'Acme', 'Main', 'US', {code})"
            " ON CONFLICT DO NOTHING",
            (platform, f"matching {platform} {code}"),
        )
    for place, (status, bucket) in enumerate(_KEYS):
        key = f"matching {platform} {place}"
        title = HOSTILE if status == "review" else f"Title {place} of {platform}"
        connection.execute(
            "WITH made AS (INSERT INTO viewership.keys (digest, platform, content_name, title_key, review_key,"
            " review_digest, key_version) VALUES (decode(md5(%(key)s), 'hex'), %(platform)s, %(title)s, 't',"
            " ARRAY[%(platform)s, '', '', '', '', ''], decode(md5(%(key)s), 'hex'), 1)"
            " ON CONFLICT DO NOTHING RETURNING key_id)"
            " INSERT INTO viewership.matches (key_id, status, bucket, episode_id, candidates, reasons, rule_version,"
            " catalogue_version, pipeline_run_id) SELECT key_id, %(status)s, %(bucket)s,"
            " CASE WHEN %(status)s = 'matched' THEN 1 END, '[]', '[{\"code\": \"NO_CANDIDATE\"}]', '1', 1, 'run-1'"
            " FROM made",
            {"key": key, "platform": platform, "title": title, "status": status, "bucket": bucket},
        )
        _rows(connection, upload, key, f"matching {platform} NULL", title, hours=place + 1 + number)
    _rows(connection, upload, f"matching {platform} 0", f"matching {platform} {held}", "held", hours=1)
    for line, fate, code in ((900, "rejected", "DURATION"), (901, "filtered", "TOTAL")):
        connection.execute(
            "INSERT INTO viewership.set_aside_rows (upload_id, line, fate, code, message, hours)"
            " VALUES (%s, %s, %s, %s, 'm', 2)",
            (upload, line, fate, code),
        )
    connection.execute(
        "INSERT INTO viewership.episode_details (viewership_id, label, upload_id, key_id, scope_id, episode_id,"
        " platform, domain, deal_parent, channel, territory, asset_series, content_provider, hours, filename, bucket,"
        " confidence) SELECT r.id, 'Viewership', r.upload_id, r.key_id, r.scope_id, 1, %s, 'd', '1', 'Main', 'US', 'S',"
        " 'p', r.tot_hov, %s, m.bucket, 1 FROM viewership.platform_viewership r JOIN viewership.matches m"
        " USING (key_id) JOIN viewership.scopes s USING (scope_id)"
        " WHERE r.upload_id = %s AND m.status = 'matched' AND s.code IS NULL",
        (platform, name, upload),
    )
    connection.execute(
        "UPDATE viewership.uploads SET hours = (SELECT sum(tot_hov) + 4 FROM viewership.platform_viewership"
        " WHERE upload_id = %(upload)s) WHERE upload_id = %(upload)s",
        {"upload": upload},
    )
    connection.execute(
        "INSERT INTO viewership.error_log (upload_id, platform, procedure_name, status, rows_affected, execution_ms,"
        " pipeline_run_id) SELECT %s, %s, name, 'success', 10, place * %s * 137, 'run-1' FROM unnest(ARRAY['upload',"
        " 'normalize', 'match', 'load']) WITH ORDINALITY AS named (name, place)",
        (upload, platform, number + 1),
    )


def _rows(connection: Any, upload: int, key: str, scope: str, title: str, *, hours: int) -> None:
    """Write the rows of a key, one a week."""
    connection.execute(
        "INSERT INTO viewership.platform_viewership (upload_id, line, scope_id, key_id, platform_content_name, tot_hov,"
        " date, week, day, month, quarter, year)"
        " SELECT %s, w, s.scope_id, k.key_id, %s, %s + w, day, day, 5, 1, 'q1', 2026"
        " FROM generate_series(1, %s) w, LATERAL (SELECT DATE '2026-01-05' + 7 * w AS day) d,"
        " viewership.scopes s, viewership.keys k"
        " WHERE s.digest = decode(md5(%s), 'hex') AND k.digest = decode(md5(%s), 'hex')",
        (upload, title, hours, _WEEKS, scope, key),
    )
