"""Compare the published tables with the files of their build."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.trakt.gold.build import TABLES, read_build
from jobs.trakt.gold.parquet import fetch, rows_as_csv
from jobs.trakt.gold.publish import columns_of
from shared.errors import DataError, ObjectMissing, UsageError

if TYPE_CHECKING:
    from jobs.trakt.audit.model import Check
    from jobs.trakt.gold.build import Build
    from shared.database.session import DatabaseSession
    from shared.storage import ObjectStore

__all__ = ["check_gold"]


def check_gold(session: DatabaseSession, store: ObjectStore, check: Check) -> None:
    """Compare every row of the published build, both ways.

    Args:
        session: a transaction that will be rolled back; temporary tables are created in it.
        store: the bucket.
        check: receives the findings.
    """
    published = session.rows("SELECT build_id FROM gold.trakt_versions ORDER BY version_id DESC LIMIT 1")
    current = _current(store, check)
    if not published:
        if current is not None:
            check.add("GOLD_STALE", f"build {current.build_id}", "no build is published yet")
        return
    build_id = published[0].build_id
    try:
        build = read_build(store, build_id, build_again="telecine trakt model")
    except (UsageError, DataError) as error:
        check.add("GOLD_FILE", f"build {build_id}", error.message)
        return
    if current is not None and current.files() != build.files():
        check.add("GOLD_STALE", f"build {current.build_id}", f"build {build_id} is published")
    with tempfile.TemporaryDirectory(prefix="telecine-verify-") as folder:
        for table in TABLES:
            try:
                path = fetch(store, build, table, Path(folder))
                _compare(session, build, table, path, check)
            except (ObjectMissing, DataError) as error:
                check.add("GOLD_FILE", f"gold.{table}", error.message)


def _current(store: ObjectStore, check: Check) -> Build | None:
    try:
        return read_build(store, None, build_again="telecine trakt model")
    except UsageError:
        return None
    except DataError as error:
        check.add("GOLD_FILE", "gold/current.json", error.message)
        return None


def _compare(session: DatabaseSession, build: Build, table: str, path: Path, check: Check) -> None:
    file = build.tables[table]
    columns = columns_of(session, table)
    names = ", ".join(columns)
    session.run(f"CREATE TEMP TABLE expected (LIKE gold.{table}) ON COMMIT DROP")
    session.copy_bytes("expected", list(columns), rows_as_csv(path, table, columns, file.rows))
    days = "true" if file.replaces == "all" else "as_of IN (SELECT as_of FROM expected)"
    # Floats come as the text that Python and PostgreSQL both write exactly, so that equal is equal.
    counts = session.rows(
        f"WITH stored AS (SELECT {names} FROM gold.{table} WHERE {days})"  # noqa: S608 - names of our columns
        f" SELECT (SELECT count(*) FROM (TABLE expected EXCEPT ALL TABLE stored) a) AS missing,"
        f" (SELECT count(*) FROM (TABLE stored EXCEPT ALL TABLE expected) b) AS extra"
    )[0]
    session.run("DROP TABLE expected")
    check.checked += file.rows
    if counts.missing or counts.extra:
        message = (
            f"{counts.missing:,} rows of {path.name} are not in the table as they are in the file, and {counts.extra:,}"
            " rows of the table are not in the file"
        )
        check.add("GOLD_DIFFERS", f"gold.{table}", message, max(counts.missing, counts.extra))
