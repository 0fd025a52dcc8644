"""Versions of the catalogue: the lock that orders its changes, and keys computed again when their rules change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from jobs.viewership.catalog.state import ref_key
from jobs.viewership.catalog.store import episode_title_keys, series_title_keys
from jobs.viewership.keys.titles import series_key, title_key
from jobs.viewership.keys.version import KEY_VERSION
from shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.database.session import DatabaseSession

__all__ = ["current_version", "lock", "open_version", "pin", "refresh_keys"]

_LOCK: Final = "telecine catalog"


def lock(session: DatabaseSession) -> None:
    """Wait until no other transaction changes the catalogue; the end of this one releases it."""
    session.lock(_LOCK)


def current_version(session: DatabaseSession) -> int:
    """Return the version of the catalogue; 0 if nothing was ever imported."""
    return int(session.rows("SELECT coalesce(max(version), 0) FROM catalog.versions")[0][0])


def open_version(
    session: DatabaseSession,
    action: str,
    by: str,
    *,
    source: str | None = None,
    origin: str | None = None,
    counts: Mapping[str, int] | None = None,
) -> int:
    """Insert the next version and return it.

    Args:
        session: the transaction, which holds the lock.
        action: ``import``, ``rekey`` or ``decision``.
        by: who makes the change.
        source: the source of the values.
        origin: the files.
        counts: what changes.
    """
    rows = session.rows(
        "INSERT INTO catalog.versions (version, action, source, origin, counts, key_version, created_by)"
        " SELECT coalesce(max(version), 0) + 1, CAST(:action AS text), CAST(:source AS text), CAST(:origin AS text),"
        " CAST(:counts AS jsonb), CAST(:key_version AS integer), CAST(:by AS text) FROM catalog.versions"
        " RETURNING version",
        action=action,
        source=source,
        origin=origin,
        counts=json.dumps(dict(counts or {})),
        key_version=KEY_VERSION,
        by=by,
    )
    return int(rows[0][0])


def pin(session: DatabaseSession, by: str) -> int:
    """Keep the catalogue as it is until the transaction ends, and return its version.

    Any number of transactions may do so at once; imports wait for them. Keys of older rules are computed again first.

    Args:
        session: a transaction.
        by: user who runs the command.

    Raises:
        ConfigurationError: a newer telecine computed the catalogue's keys.
    """
    refresh_keys(session, by)
    session.rows("SELECT pg_advisory_xact_lock_shared(hashtextextended(:name, 0))", name=_LOCK)
    return refresh_keys(session, by)


def refresh_keys(session: DatabaseSession, by: str) -> int:
    """Compute the stored keys again if their rules have changed since the last version; return the current version.

    Every import calls this, and so does whatever matches against stored keys. Keys that change are recorded like any
    other change, so that the rows which they affect are processed again.

    Args:
        session: a transaction.
        by: user who runs the command.

    Raises:
        ConfigurationError: a newer telecine computed the keys (code ``catalog_newer``).
    """
    if _is_current(session):
        return current_version(session)
    lock(session)
    if _is_current(session):  # another process was faster
        return current_version(session)
    version = open_version(session, "rekey", by)
    _refresh_titles(session, version)
    _refresh_aliases(session, version)
    return version


def _is_current(session: DatabaseSession) -> bool:
    rows = session.rows("SELECT key_version FROM catalog.versions ORDER BY version DESC LIMIT 1")
    if rows and rows[0][0] > KEY_VERSION:
        raise ConfigurationError(
            f"the catalogue's keys have version {rows[0][0]}; expected at most {KEY_VERSION}. Update telecine",
            code="catalog_newer",
            found=rows[0][0],
            needed=KEY_VERSION,
        )
    return not rows or rows[0][0] == KEY_VERSION


def _refresh_titles(session: DatabaseSession, version: int) -> None:
    session.run(
        "CREATE TEMP TABLE new_series_keys (series_id bigint, language text, position smallint, series_key text,"
        " series_base text, series_year smallint) ON COMMIT DROP"
    )
    rows = session.rows("SELECT series_id, language, position, title FROM catalog.series_titles")
    session.copy(
        "new_series_keys",
        ("series_id", "language", "position", "series_key", "series_base", "series_year"),
        ((*row[:3], *series_title_keys(row[3])) for row in rows),
    )
    session.run(
        "CREATE TEMP TABLE new_episode_keys (episode_id bigint, language text, position smallint, title_key text,"
        " placeholder boolean) ON COMMIT DROP"
    )
    rows = session.rows("SELECT episode_id, language, position, title FROM catalog.episode_titles")
    session.copy(
        "new_episode_keys",
        ("episode_id", "language", "position", "title_key", "placeholder"),
        ((*row[:3], *episode_title_keys(row[3])) for row in rows),
    )
    session.run(
        """
        WITH changed AS (
            SELECT old.series_id, old.language, old.position, old.series_key AS before, fresh.series_key,
                old.series_base AS base_before, fresh.series_base, fresh.series_year
            FROM catalog.series_titles old JOIN new_series_keys fresh USING (series_id, language, position)
            WHERE (old.series_key, old.series_base, old.series_year)
                IS DISTINCT FROM (fresh.series_key, fresh.series_base, fresh.series_year)
        ), written AS (
            UPDATE catalog.series_titles AS there SET series_key = changed.series_key,
                series_base = changed.series_base, series_year = changed.series_year
            FROM changed WHERE there.series_id = changed.series_id AND there.language = changed.language
                AND there.position = changed.position
        )
        INSERT INTO catalog.changes (version, kind, entity_id, action, before, series_keys)
        SELECT :version, 'series', series_id, 'changed', jsonb_object_agg('series_key ' || language, before),
            array_agg(DISTINCT key)
        FROM changed, LATERAL (VALUES (before), (series_key), (base_before), (series_base)) AS keys (key)
        GROUP BY series_id
        """,
        version=version,
    )
    session.run(
        """
        WITH changed AS (
            SELECT old.episode_id, old.language, old.position, old.title_key AS before, fresh.title_key,
                fresh.placeholder
            FROM catalog.episode_titles old JOIN new_episode_keys fresh USING (episode_id, language, position)
            WHERE (old.title_key, old.placeholder) IS DISTINCT FROM (fresh.title_key, fresh.placeholder)
        ), written AS (
            UPDATE catalog.episode_titles AS there SET title_key = changed.title_key,
                placeholder = changed.placeholder
            FROM changed WHERE there.episode_id = changed.episode_id AND there.language = changed.language
                AND there.position = changed.position
        )
        INSERT INTO catalog.changes (version, kind, entity_id, action, before, title_keys)
        SELECT :version, 'episode', episode_id, 'changed', jsonb_object_agg('title_key ' || language, before),
            array_agg(DISTINCT key)
        FROM changed, LATERAL (VALUES (before), (title_key)) AS keys (key)
        GROUP BY episode_id
        """,
        version=version,
    )
    _refresh_ids(session)


def _refresh_ids(session: DatabaseSession) -> None:
    for table, text in (("series", "code"), ("episodes", "ref_id")):
        key = "code_key" if table == "series" else "ref_key"
        rows = session.rows(f"SELECT id, {text}, {key} FROM catalog.{table} WHERE {text} IS NOT NULL")  # noqa: S608 - our own names
        stale = [(row[0], ref_key(row[1])) for row in rows if ref_key(row[1]) != row[2]]
        if stale:
            session.run(f"CREATE TEMP TABLE new_{table}_ids (id bigint, key text) ON COMMIT DROP")
            session.copy(f"new_{table}_ids", ("id", "key"), stale)
            session.run(
                f"UPDATE catalog.{table} AS there SET {key} = fresh.key FROM new_{table}_ids fresh"  # noqa: S608 - our own names
                " WHERE there.id = fresh.id"
            )


def _refresh_aliases(session: DatabaseSession, version: int) -> None:
    rows = session.rows(
        "SELECT id, title, series, content_id, title_key, series_key, content_key FROM catalog.aliases"
        " WHERE undone_at IS NULL"
    )
    fresh = []
    for row in rows:
        keys = (
            title_key(row[1]) if row[1] else None,
            series_key(row[2]) if row[2] else None,
            ref_key(row[3]) if row[3] else None,
        )
        if keys != tuple(row[4:7]):
            fresh.append((row[0], *keys))
    if not fresh:
        return
    session.run(
        "CREATE TEMP TABLE new_alias_keys (id bigint, title_key text, series_key text, content_key text) ON COMMIT DROP"
    )
    session.copy("new_alias_keys", ("id", "title_key", "series_key", "content_key"), fresh)
    session.run(
        """
        INSERT INTO catalog.changes (version, kind, entity_id, action, title_keys, series_keys, ref_keys)
        SELECT :version, 'alias', old.id, 'changed', array_remove(ARRAY[old.title_key, fresh.title_key], NULL),
            array_remove(ARRAY[old.series_key, fresh.series_key], NULL),
            array_remove(ARRAY[old.content_key, fresh.content_key], NULL)
        FROM catalog.aliases old JOIN new_alias_keys fresh USING (id)
        """,
        version=version,
    )
    session.run(
        "UPDATE catalog.aliases AS there SET title_key = fresh.title_key, series_key = fresh.series_key,"
        " content_key = fresh.content_key FROM new_alias_keys fresh WHERE there.id = fresh.id"
    )
