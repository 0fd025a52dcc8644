"""Copy a build to the tables of schema gold in one transaction; leave equal rows and other days untouched."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.gold.build import TABLES
from jobs.trakt.gold.parquet import rows_as_csv
from shared.database.session import transaction
from shared.errors import DataError, TelecineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from jobs.trakt.gold.build import Build, GoldFile
    from shared.database.session import DatabaseSession
    from shared.settings.database import DatabaseSettings

__all__ = ["LOCK", "Published", "columns_of", "hold_gold", "lock_gold", "publish"]

LOCK: Final = "telecine trakt gold"
"""Lock of the builds in the bucket and of the published tables."""
# A build of 2,000 titles and 28 days has 562,000 rows, and takes 4 s on two busy cores.
_LOCK_S: Final = 600


@dataclass(frozen=True, slots=True)
class Published:
    """Rows of a table that a publication inserted, updated, left unchanged and removed."""

    inserted: int
    updated: int
    unchanged: int
    removed: int


def lock_gold(session: DatabaseSession) -> None:
    """Wait for the lock of builds and published tables; the end of the transaction releases it.

    Args:
        session: a transaction, which may be idle while files are read or written.

    Raises:
        TransientError: another holder took more than ten minutes.
    """
    session.run(f"SET LOCAL lock_timeout = '{_LOCK_S}s'")
    session.run("SET LOCAL idle_in_transaction_session_timeout = 0")
    session.lock(LOCK)


@contextmanager
def hold_gold(settings: DatabaseSettings) -> Iterator[None]:
    """Hold the lock of :func:`lock_gold` in a transaction of its own.

    Args:
        settings: the database.
    """
    with transaction(settings) as session:
        lock_gold(session)
        yield


def columns_of(session: DatabaseSession, table: str) -> dict[str, str]:
    """Return the columns of a table of schema gold and their types, in order.

    Args:
        session: a transaction.
        table: the table, without its schema.
    """
    rows = session.rows(
        "SELECT attname::text AS name, format_type(atttypid, atttypmod) AS kind FROM pg_attribute"
        " WHERE attrelid = to_regclass(:name) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        name=f"gold.{table}",
    )
    return {row.name: row.kind for row in rows}


def publish(
    session: DatabaseSession,
    build: Build,
    files: Mapping[str, Path],
    *,
    run_id: str,
    replace_newer: bool = False,
    replace_source: bool = False,
    copied: Callable[[str, int], None] = lambda table, rows: None,  # noqa: ARG005 - their names are the interface
) -> dict[str, Published]:
    """Replace the published rows with those of a build, and record the version.

    Readers see either all old rows or all new ones. Publications wait for each other. A build that is already published
    adds no version, and changes only rows that were changed since.

    Args:
        session: a transaction of its own.
        build: the manifest.
        files: table -> its local file, verified.
        run_id: recorded with the version.
        replace_newer: publish even if a build of a newer bronze version is published.
        replace_source: let a replayer's build replace all rows of the API.
        copied: receives each table and its number of rows.

    Returns:
        Counts of rows by table.

    Raises:
        UsageError: a newer version is published (code ``GOLD_OLDER``), or the build is a replayer's and
            rows of the API are published (``GOLD_SOURCE``).
        DataError: a file does not fit its table (code ``GOLD_INVALID``).
        TransientError: another publication took more than ten minutes.
    """
    lock_gold(session)
    last = _last(session, build)
    if last is not None:
        _refuse_replay(build, last, replace_source=replace_source)
        _refuse_older(build, last, replace_newer=replace_newer)
    # Days of the replayer and of the API are never mixed.
    is_first = last is None or last.source_system != build.source_system
    done = {}
    for table in TABLES:
        try:
            with session.savepoint():
                done[table] = _replace(session, table, build.tables[table], files[table], everything=is_first)
        except TelecineError as error:
            if error.code != "statement_failed":
                raise
            raise DataError(
                f"the file of {table} does not fit gold.{table}: {error.data['said']}; expected a file written by this"
                " version's models; nothing was published",
                code="GOLD_INVALID",
            ) from error
        copied(table, build.tables[table].rows)
    # Its rows are compared anyway: a row that was changed or deleted by hand is restored.
    if last is not None and _is_same(build, last):
        return done
    session.run(
        "INSERT INTO gold.trakt_versions (bronze_version, project_hash, as_of, build_id, source_system, files, run_id)"
        " VALUES (:bronze, :project, :as_of, :build, :source, CAST(:files AS jsonb), :run_id)",
        bronze=build.bronze_version,
        project=build.project_hash,
        as_of=build.as_of,
        build=build.build_id,
        source=build.source_system,
        files=json.dumps(build.files()),
        run_id=run_id,
    )
    return done


def _last(session: DatabaseSession, build: Build) -> Any | None:
    """Return the last published version, and whether its files equal those of the build (``same``)."""
    rows = session.rows(
        "SELECT bronze_version, as_of, source_system, build_id, files = CAST(:files AS jsonb) AS same"
        " FROM gold.trakt_versions ORDER BY version_id DESC LIMIT 1",
        files=json.dumps(build.files()),
    )
    return rows[0] if rows else None


def _is_same(build: Build, last: Any) -> bool:
    of_last = (last.bronze_version, last.as_of, last.source_system)
    return bool(last.same) and of_last == (build.bronze_version, build.as_of, build.source_system)


def _refuse_replay(build: Build, last: Any, *, replace_source: bool) -> None:
    # The opposite is allowed, when a service goes live: a replayer's rows can be made again, the API's days cannot.
    if build.source_system in {last.source_system, "trakt"} or replace_source:
        return
    raise UsageError(
        f"build {build.build_id} comes from a replayer, and gold.trakt_* has rows of the API (build {last.build_id}),"
        " which it would delete; expected a build of the API; pass --replace-source to delete them, or use another"
        " database",
        code="GOLD_SOURCE",
    )


def _refuse_older(build: Build, last: Any, *, replace_newer: bool) -> None:
    if build.bronze_version >= last.bronze_version or build.source_system != last.source_system or replace_newer:
        return
    raise UsageError(
        f"build {build.build_id} comes from bronze version {build.bronze_version}, but build {last.build_id} from"
        f" version {last.bronze_version} is published; expected the same or a newer version; pass --replace-newer to"
        " publish the older one",
        code="GOLD_OLDER",
    )


def _replace(session: DatabaseSession, table: str, file: GoldFile, path: Path, *, everything: bool) -> Published:
    columns = columns_of(session, table)
    key = _key(session, table)
    names = ", ".join(columns)
    session.run(f"CREATE TEMP TABLE incoming (LIKE gold.{table} INCLUDING CONSTRAINTS) ON COMMIT DROP")
    session.copy_bytes("incoming", list(columns), rows_as_csv(path, table, columns, file.rows))
    # Fails on a duplicate key, and lets the statements below look rows up.
    session.run(f"ALTER TABLE incoming ADD PRIMARY KEY ({', '.join(key)})")
    session.run("ANALYZE incoming")
    same_key = " AND ".join(f"there.{name} = incoming.{name}" for name in key)
    days = "true" if everything or file.replaces == "all" else "there.as_of IN (SELECT as_of FROM incoming)"
    removed = session.run(
        f"DELETE FROM gold.{table} there WHERE {days} AND NOT EXISTS (SELECT FROM incoming WHERE {same_key})"  # noqa: S608
    )
    values = [name for name in columns if name not in key]
    # An upsert would lock, and so rewrite, even unchanged rows; with the lock above, nothing else writes.
    updated = session.run(
        f"UPDATE gold.{table} there SET {', '.join(f'{name} = incoming.{name}' for name in values)} FROM incoming"  # noqa: S608
        f" WHERE {same_key} AND ({_of('there', values)}) IS DISTINCT FROM ({_of('incoming', values)})"
    )
    inserted = session.run(
        f"INSERT INTO gold.{table} ({names}) SELECT {names} FROM incoming"  # noqa: S608
        f" WHERE NOT EXISTS (SELECT FROM gold.{table} there WHERE {same_key})"
    )
    session.run("DROP TABLE incoming")
    return Published(inserted, updated, file.rows - inserted - updated, removed)


def _of(alias: str, names: Sequence[str]) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)


def _key(session: DatabaseSession, table: str) -> list[str]:
    rows = session.rows(
        "SELECT a.attname::text AS name FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
        " AND a.attnum = ANY (i.indkey) WHERE i.indrelid = to_regclass(:name) AND i.indisprimary ORDER BY a.attnum",
        name=f"gold.{table}",
    )
    return [row.name for row in rows]
