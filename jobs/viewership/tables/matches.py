"""Matches of keys, and the history of those that were replaced."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shared.database.session import DatabaseSession

__all__ = ["MatchRow", "OpenKey", "keys_of", "write_matches"]

# Key: key_id, platform, then the fields of a key.
OpenKey = tuple[int, str, "str | None", "str | None", "str | None", "str | None", "str | None", "str | None"]
MatchRow = dict[str, Any]
_COLUMNS: Final = (
    *("key_id", "status", "bucket", "episode_id", "confidence", "candidates", "margin", "reasons"),
    *("rule_version", "catalogue_version", "pipeline_run_id"),
)


_NUMBERS: Final = ("key_id", "episode_id", "catalogue_version")
_DECIMALS: Final = ("confidence", "margin")


def keys_of(session: DatabaseSession, upload_ids: Sequence[int], *, all_keys: bool = False) -> list[OpenKey]:
    """Return the keys of uploads that have no match yet, by number.

    Args:
        session: the transaction.
        upload_ids: the uploads.
        all_keys: also those that have one, except reviewers' decisions.
    """
    rows = session.rows(
        """
        SELECT k.key_id, k.platform, k.content_name, k.content_name_2, k.series, k.season, k.episode, k.content_id
        FROM viewership.keys k LEFT JOIN viewership.matches m USING (key_id)
        WHERE k.key_id IN (SELECT key_id FROM viewership.platform_viewership WHERE upload_id = ANY (:ids))
            AND (m.key_id IS NULL OR (:all AND m.decision_id IS NULL))
        ORDER BY k.key_id
        """,
        ids=list(upload_ids),
        all=all_keys,
    )
    return [tuple(row) for row in rows]


# Matches whose CSV is held in memory at a time: about 5 MB.
_BLOCK: Final = 10_000


def _as_csv(matches: Iterable[MatchRow]) -> Iterator[bytes]:
    """Yield matches as CSV for COPY, some at a time; the next ones are made meanwhile."""
    import polars as pl

    types = (
        dict.fromkeys(_COLUMNS, pl.String) | dict.fromkeys(_NUMBERS, pl.Int64) | dict.fromkeys(_DECIMALS, pl.Float64)
    )
    left = iter(matches)

    def block() -> bytes:
        rows = list(islice(left, _BLOCK))
        frame = pl.DataFrame({name: pl.Series([row[name] for row in rows], dtype=types[name]) for name in _COLUMNS})
        return frame.write_csv(include_header=False).encode()

    with ThreadPoolExecutor(1, thread_name_prefix="matches") as pool:
        following = pool.submit(block)
        while current := following.result():
            following = pool.submit(block)
            yield current


def write_matches(session: DatabaseSession, keys: Sequence[int], matches: Iterable[MatchRow]) -> list[int]:
    """Write matches, move those that they replace to the history, and return the keys whose match changed.

    A reviewer's decision is never replaced. An equal match only updates the versions that it was found with.

    Args:
        session: the transaction, which holds the lock of the keys' platforms.
        keys: the keys.
        matches: one per key, with the columns of viewership.matches; candidates and reasons are JSON. They are taken
            while earlier ones are written, in another thread.
    """
    blocks = _as_csv(matches)
    known = "SELECT FROM viewership.matches WHERE key_id = ANY (CAST(:keys AS bigint[])) LIMIT 1"
    keys = sorted(keys)
    if not session.rows(known, keys=keys):
        session.copy_bytes("viewership.matches", _COLUMNS, blocks)
        return keys
    session.run(
        "CREATE TEMPORARY TABLE IF NOT EXISTS new_matches (LIKE viewership.matches INCLUDING DEFAULTS) ON COMMIT DROP"
    )
    session.run("TRUNCATE new_matches")
    session.copy_bytes("new_matches", _COLUMNS, blocks)
    # Rows are locked in the order of the keys, as by the functions of the review.
    session.rows(
        "SELECT FROM viewership.matches m WHERE m.key_id IN (SELECT key_id FROM new_matches) ORDER BY key_id FOR UPDATE"
    )
    session.run(
        "DELETE FROM new_matches n USING viewership.matches m WHERE m.key_id = n.key_id AND m.decision_id IS NOT NULL"
    )
    same = (
        "(m.status, m.bucket, m.episode_id, m.confidence) IS NOT DISTINCT FROM"
        " (n.status, n.bucket, n.episode_id, n.confidence)"
    )
    changed = [
        row.key_id
        for row in session.rows(
            "SELECT n.key_id FROM new_matches n LEFT JOIN viewership.matches m USING (key_id)"  # noqa: S608
            f" WHERE m.key_id IS NULL OR NOT ({same}) ORDER BY n.key_id"
        )
    ]
    session.rows(
        "SELECT viewership.replace_matches(ARRAY(SELECT n.key_id FROM new_matches n"  # noqa: S608
        f" JOIN viewership.matches m USING (key_id) WHERE NOT ({same})))"
    )
    names = ", ".join(_COLUMNS)
    updates = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])
    session.run(
        f"INSERT INTO viewership.matches ({names}) SELECT {names} FROM new_matches ORDER BY key_id"  # noqa: S608
        f" ON CONFLICT (key_id) DO UPDATE SET {updates}, decision_id = NULL, matched_at = now()"
        " WHERE viewership.matches.decision_id IS NULL"
    )
    return changed
