"""The six buckets: set-based statements over a temporary table of distinct keys and the catalogue."""

# ruff: noqa: S608 - the statements are made of constants of this module
from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.matching.model import BUCKETS, Bucket
from jobs.viewership.matching.prepare import SEGMENT
from shared.errors import TelecineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jobs.viewership.matching.model import MatchRules
    from jobs.viewership.matching.prepare import Prepared
    from shared.database.session import DatabaseSession

__all__ = ["ALIAS", "ID", "NUMBERS", "SERIES", "TITLE", "TITLE_ANYWHERE", "Cascade", "Step", "run_cascade"]

_LOG = logging.getLogger(__name__)

ID: Final = 1
"""The episode's ref id is the key's content id, or part of it."""
SERIES: Final = 2
"""The episode is of the key's series."""
NUMBERS: Final = 4
"""The episode has the key's season and episode in the key's series."""
TITLE: Final = 8
"""The episode has the key's title, in the key's series."""
TITLE_ANYWHERE: Final = 16
"""The episode has the key's title; looked up for keys without a known series."""

ALIAS: Final = 32
"""A reviewer decided that the key's fields mean the episode."""

_TABLES: Final = (
    """
    CREATE TEMPORARY TABLE IF NOT EXISTS match_keys (
        key integer NOT NULL, platform text NOT NULL, given boolean NOT NULL, known boolean NOT NULL,
        season integer, episode integer, column_season integer, column_episode integer,
        title_key text, series_key text, content_key text, generic boolean NOT NULL, held boolean NOT NULL
    ) ON COMMIT DROP
    """,
    "CREATE TEMPORARY TABLE IF NOT EXISTS match_titles (key integer, title_key text, kind smallint) ON COMMIT DROP",
    "CREATE TEMPORARY TABLE IF NOT EXISTS match_series (key integer, series_id bigint, source smallint) ON COMMIT DROP",
    "CREATE TEMPORARY TABLE IF NOT EXISTS match_ids (key integer, ref_key text, kind smallint) ON COMMIT DROP",
    "CREATE TEMPORARY TABLE IF NOT EXISTS match_decided (key integer, episode_id bigint) ON COMMIT DROP",
    """
    CREATE TEMPORARY TABLE IF NOT EXISTS match_evidence (key integer, episode_id bigint, mask smallint)
    ON COMMIT DROP
    """,
    """
    CREATE TEMPORARY TABLE IF NOT EXISTS match_candidates (
        key integer, episode_id bigint, mask smallint, active boolean, agrees boolean,
        ids smallint, series smallint, numbers smallint, titles smallint, anywhere smallint,
        aliases smallint
    ) ON COMMIT DROP
    """,
    """
    CREATE TEMPORARY TABLE IF NOT EXISTS match_found (key integer, episode_id bigint, bucket text, mask smallint)
    ON COMMIT DROP
    """,
)
_NAMES: Final = (
    *("match_keys", "match_titles", "match_series", "match_ids", "match_decided"),
    *("match_evidence", "match_candidates", "match_found"),
)

_EVIDENCE: Final = {
    # An alias names title, series, numbers and id of the rows it is for. Of several that fit a key, those of its
    # platform count, and of them those with the most fields. The alias of a decision excludes all others.
    "aliases": f"""
    INSERT INTO match_evidence (key, episode_id, mask)
    SELECT DISTINCT key, episode_id, {ALIAS} FROM (
        SELECT k.key, a.episode_id,
            rank() OVER (PARTITION BY k.key ORDER BY (a.platform IS NOT NULL) DESC,
                num_nonnulls(a.title_key, a.series_key, a.season_no, a.episode_no, a.content_key) DESC,
                a.exact DESC) AS place
        FROM (
            SELECT k.key, a.id FROM match_keys k JOIN catalog.aliases a ON a.title_key = k.title_key
            UNION SELECT k.key, a.id FROM match_keys k JOIN catalog.aliases a ON a.series_key = k.series_key
            UNION SELECT k.key, a.id FROM match_keys k JOIN catalog.aliases a ON a.content_key = k.content_key
        ) AS pair
        JOIN match_keys k ON k.key = pair.key
        JOIN catalog.aliases a ON a.id = pair.id
        WHERE a.undone_at IS NULL AND a.episode_id IS NOT NULL AND a.key_id IS NULL
            AND NOT EXISTS (SELECT FROM match_decided d WHERE d.key = k.key)
            AND (a.platform IS NULL OR a.platform = k.platform)
            AND CASE WHEN a.exact THEN
                a.title_key IS NOT DISTINCT FROM k.title_key AND a.series_key IS NOT DISTINCT FROM k.series_key
                AND a.content_key IS NOT DISTINCT FROM k.content_key
                AND a.season_no IS NOT DISTINCT FROM k.column_season
                AND a.episode_no IS NOT DISTINCT FROM k.column_episode
            ELSE
                coalesce(a.title_key = k.title_key, a.title_key IS NULL)
                AND coalesce(a.series_key = k.series_key, a.series_key IS NULL)
                AND coalesce(a.content_key = k.content_key, a.content_key IS NULL)
                AND coalesce(a.season_no = k.season, a.season_no IS NULL)
                AND coalesce(a.episode_no = k.episode, a.episode_no IS NULL)
            END
    ) AS fitting WHERE place = 1
    UNION ALL SELECT key, episode_id, {ALIAS} FROM match_decided
    """,
    "ids": f"""
    INSERT INTO match_evidence (key, episode_id, mask)
    SELECT key, episode_id, {ID} FROM (
        SELECT i.key, e.id AS episode_id, i.kind, min(i.kind) OVER (PARTITION BY i.key) AS best
        FROM match_ids i JOIN catalog.episodes e ON e.ref_key = i.ref_key
    ) AS hits WHERE kind = best
    """,
    "numbers": f"""
    INSERT INTO match_evidence (key, episode_id, mask)
    SELECT DISTINCT key, episode_id, {NUMBERS} FROM (
        SELECT *, min(kind) OVER (PARTITION BY key) AS best FROM (
            SELECT k.key, n.episode_id, 0 AS kind
            FROM match_keys k
            JOIN match_series s ON s.key = k.key AND s.source <= 1
            JOIN catalog.episodes e ON e.series_id = s.series_id
            JOIN catalog.episode_numbers n ON n.episode_id = e.id AND n.season_no = k.season
                AND n.episode_no = k.episode AND n.platform = k.platform
            UNION ALL
            SELECT k.key, e.id, 1
            FROM match_keys k
            JOIN match_series s ON s.key = k.key AND s.source <= 1
            JOIN catalog.episodes e ON e.series_id = s.series_id AND e.season_no = k.season
                AND e.episode_no = k.episode
            UNION ALL
            SELECT k.key, n.episode_id, 2
            FROM match_keys k
            JOIN match_series s ON s.key = k.key AND s.source <= 1
            JOIN catalog.episodes e ON e.series_id = s.series_id
            JOIN catalog.episode_numbers n ON n.episode_id = e.id AND n.season_no = k.season
                AND n.episode_no = k.episode AND n.platform IS NULL
        ) AS every
    ) AS hits WHERE kind = best
    """,
    # Both joins go over title and series at once: a title such as "Pilot" occurs in thousands of series.
    "titles": f"""
    INSERT INTO match_evidence (key, episode_id, mask)
    WITH wanted AS MATERIALIZED (
        SELECT t.key, t.title_key, t.kind, s.series_id FROM match_titles t JOIN match_series s ON s.key = t.key
    ), known AS MATERIALIZED (
        SELECT t.title_key, e.series_id, e.id
        FROM catalog.episode_titles t JOIN catalog.episodes e ON e.id = t.episode_id
        WHERE t.title_key IN (SELECT title_key FROM wanted)
    )
    SELECT DISTINCT key, id, {TITLE} FROM (
        SELECT w.key, k.id, w.kind, min(w.kind) OVER (PARTITION BY w.key) AS best
        FROM wanted w JOIN known k ON k.title_key = w.title_key AND k.series_id = w.series_id
    ) AS hits WHERE kind = best
    """,
    "titles anywhere": f"""
    INSERT INTO match_evidence (key, episode_id, mask)
    WITH wanted AS MATERIALIZED (
        SELECT t.key, t.title_key FROM match_titles t JOIN match_keys k ON k.key = t.key
        WHERE t.kind = 0 AND NOT (k.given AND k.known)
    ), rare AS MATERIALIZED (
        SELECT title_key FROM catalog.episode_titles WHERE title_key IN (SELECT title_key FROM wanted)
        GROUP BY title_key HAVING count(*) <= :common
    )
    SELECT DISTINCT w.key, t.episode_id, {TITLE_ANYWHERE}
    FROM wanted w JOIN rare USING (title_key) JOIN catalog.episode_titles t USING (title_key)
    """,
}
# An inactive episode is dropped if active episodes of its series have all of its evidence: after a ref id is corrected
# in the catalogue, the episode with the old ref id is inactive.
# Numbers agree unless one of them is known on both sides and differs; a platform's own numbering counts as well.
_CANDIDATES: Final = f"""
    INSERT INTO match_candidates
    SELECT c.key, c.episode_id, c.mask, c.active, c.agrees,
        count(*) FILTER (WHERE mask & {ID} > 0) OVER one,
        max(c.named) OVER one,
        count(*) FILTER (WHERE mask & {NUMBERS} > 0) OVER one,
        count(*) FILTER (WHERE mask & {TITLE} > 0) OVER one,
        count(*) FILTER (WHERE mask & {TITLE_ANYWHERE} > 0) OVER one,
        count(*) FILTER (WHERE mask & {ALIAS} > 0) OVER one
    FROM (
        SELECT p.*, bit_or(p.mask) FILTER (WHERE p.active) OVER (PARTITION BY p.key, p.series_id) AS live
        FROM (
            SELECT v.key, v.episode_id, e.series_id,
                (v.mask | CASE WHEN m.series_id IS NULL THEN 0 ELSE {SERIES} END)::smallint AS mask,
                e.active AND s.status = 'active' AS active,
                coalesce(n.named, 0) AS named,
                v.mask & {NUMBERS} > 0 OR (
                    (k.season IS NULL OR e.season_no IS NULL OR k.season = e.season_no)
                    AND (k.episode IS NULL OR e.episode_no IS NULL OR k.episode = e.episode_no)
                ) AS agrees
            FROM (SELECT key, episode_id, bit_or(mask) AS mask FROM match_evidence GROUP BY key, episode_id) AS v
            JOIN match_keys k USING (key)
            JOIN catalog.episodes e ON e.id = v.episode_id
            JOIN catalog.series s ON s.id = e.series_id
            LEFT JOIN match_series m ON m.key = v.key AND m.series_id = e.series_id AND m.source <= 1
            LEFT JOIN (SELECT key, count(*) AS named FROM match_series WHERE source <= 1 GROUP BY key) AS n
                ON n.key = v.key
        ) AS p
    ) AS c
    WHERE c.active OR c.mask & ~coalesce(c.live, 0::smallint) <> 0
    WINDOW one AS (PARTITION BY key)
"""

# Condition of each bucket; c is a candidate with its evidence, k its key.
_NEEDS: Final[dict[Bucket, str]] = {
    Bucket.FULL_DATA: f"c.mask & {ID | SERIES | NUMBERS | TITLE} = {ID | SERIES | NUMBERS | TITLE} AND k.given",
    Bucket.REF_ID_SERIES: f"c.mask & {ID | SERIES} = {ID | SERIES} AND k.given",
    Bucket.REF_ID_ONLY: f"c.mask & {ID} > 0 AND (NOT k.given OR NOT k.known AND c.mask & {TITLE_ANYWHERE} > 0)",
    # Of remakes, numbers alone name neither: the platform may carry the one whose episode the catalogue lacks.
    Bucket.SERIES_SEASON_EPISODE: (
        f"(c.mask & {NUMBERS} > 0 AND (c.series = 1 OR c.mask & {TITLE} > 0)"
        f" OR c.numbers = 0 AND c.mask & {TITLE} > 0 AND c.agrees AND k.season IS NOT NULL AND k.episode IS NOT NULL)"
    ),
    Bucket.SERIES_ONLY: f"c.mask & {TITLE} > 0 AND c.agrees",
    Bucket.TITLE_ONLY: f"c.mask & {TITLE_ANYWHERE} > 0 AND c.agrees AND NOT k.given AND NOT k.generic",
}
# A candidate stands only if every other kind of evidence that the key has names it too. A title outside the series
# counts against it only if it names one episode; numbers that name none, or a title that names none, do not.
_BUCKET: Final = f"""
    INSERT INTO match_found (key, episode_id, bucket, mask)
    SELECT c.key, min(c.episode_id), :bucket, min(c.mask)
    FROM match_candidates c JOIN match_keys k ON k.key = c.key
    WHERE NOT k.held AND c.aliases = 0 AND {{needs}}
        AND (c.ids = 0 OR c.mask & {ID} > 0)
        AND (c.series = 0 OR c.mask & {SERIES} > 0)
        AND (c.numbers = 0 OR c.mask & {NUMBERS} > 0)
        AND (c.titles = 0 OR c.mask & {TITLE} > 0)
        AND (c.anywhere <> 1 OR c.mask & {TITLE_ANYWHERE} > 0 OR c.mask & {TITLE} > 0)
        AND NOT EXISTS (SELECT FROM match_found f WHERE f.key = c.key)
    GROUP BY c.key HAVING count(*) = 1 AND bool_and(c.active)
"""
# A reviewer's decision needs no other evidence; two decisions that disagree send the key back to review.
_ALIAS_BUCKET: Final = f"""
    INSERT INTO match_found (key, episode_id, bucket, mask)
    SELECT key, min(episode_id), 'ALIAS', min(mask) FROM match_candidates WHERE mask & {ALIAS} > 0
    GROUP BY key HAVING count(*) = 1 AND bool_and(active)
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the cascade.

    Attributes:
        name: the bucket, or the evidence that the step collects.
        keys: keys that were still open before it.
        found: keys that it closed.
        seconds: how long it took.
        error: why it failed; None if it did not.
    """

    name: str
    keys: int
    found: int
    seconds: float
    error: str | None = None


@dataclass(slots=True)
class Cascade:
    """The findings of the buckets.

    Attributes:
        found: key -> episode, bucket, evidence.
        steps: one per kind of evidence, then one per bucket, in order.
    """

    found: dict[int, tuple[int, Bucket, int]] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    @property
    def failed(self) -> tuple[str, ...]:
        """Return the names of the steps that failed."""
        return tuple(step.name for step in self.steps if step.error is not None)


def run_cascade(
    session: DatabaseSession, keys: list[Prepared], rules: MatchRules, decided: Mapping[int, int] | None = None
) -> Cascade:
    """Pass keys through the aliases and the six buckets.

    Each bucket runs in a savepoint: one that fails leaves the others' results. The evidence that they share is all or
    nothing, since a bucket without it would accept what it contradicts. The temporary tables are dropped at the end of
    the transaction.

    Args:
        session: a transaction that sees the catalogue.
        keys: the prepared keys; their numbers are distinct.
        rules: how common a title may be.
        decided: key -> episode that a reviewer's alias names for it.
    """
    result = Cascade()
    for statement in _TABLES:
        session.run(statement)
    session.run(f"TRUNCATE {', '.join(_NAMES)}")
    _load(session, keys)
    session.copy("match_decided", ("key", "episode_id"), (decided or {}).items())
    for name, statement in _EVIDENCE.items():
        start = time.monotonic()
        session.run(statement, **({"common": rules.common} if ":common" in statement else {}))
        result.steps.append(Step(name, len(keys), 0, time.monotonic() - start))
    start = time.monotonic()
    session.run("ANALYZE match_evidence")
    session.run(_CANDIDATES)
    session.run("ANALYZE match_candidates")
    result.steps.append(Step("candidates", len(keys), 0, time.monotonic() - start))
    left = len(keys)
    for bucket in (Bucket.ALIAS, *BUCKETS):
        step = _attempt(session, bucket, left)
        result.steps.append(step)
        left -= step.found
    for row in session.rows("SELECT key, episode_id, bucket, mask FROM match_found"):
        result.found[row.key] = (row.episode_id, Bucket(row.bucket), row.mask)
    return result


def _attempt(session: DatabaseSession, bucket: Bucket, left: int) -> Step:
    """Run one bucket's statement over the keys that are left."""
    start = time.monotonic()
    found, error = 0, None
    try:
        with session.savepoint():
            if bucket is Bucket.ALIAS:
                found = session.run(_ALIAS_BUCKET)
            else:
                found = session.run(_BUCKET.format(needs=_NEEDS[bucket]), bucket=bucket.value)
    except TelecineError as failure:
        if failure.code != "statement_failed":
            raise
        error = failure.message
        _LOG.warning("bucket %s failed, and the others continue: %s", bucket, error)
    return Step(bucket.value, left, found, time.monotonic() - start, error)


def _load(session: DatabaseSession, keys: list[Prepared]) -> None:
    import polars as pl

    def copy(table: str, columns: dict[str, tuple[Any, Iterable[Any]]]) -> None:
        frame = pl.DataFrame({name: pl.Series(values, dtype=kind) for name, (kind, values) in columns.items()})
        body = frame.write_csv(include_header=False).encode()
        session.copy_bytes(table, list(columns), [body])
        session.run(f"ANALYZE {table}")

    copy(
        "match_keys",
        {
            "key": (pl.Int32, [key.key for key in keys]),
            "platform": (pl.String, [key.platform for key in keys]),
            "given": (pl.Boolean, [key.given for key in keys]),
            "known": (pl.Boolean, [bool(key.series) for key in keys]),
            "season": (pl.Int32, [key.season for key in keys]),
            "episode": (pl.Int32, [key.episode for key in keys]),
            "column_season": (pl.Int32, [key.columns[0] for key in keys]),
            "column_episode": (pl.Int32, [key.columns[1] for key in keys]),
            "title_key": (pl.String, [key.title_key for key in keys]),
            "series_key": (pl.String, [key.series_key for key in keys]),
            "content_key": (pl.String, [key.content_key for key in keys]),
            "generic": (pl.Boolean, [key.generic for key in keys]),
            "held": (pl.Boolean, [key.held is not None for key in keys]),
        },
    )
    titles = [(key.key, form, kind) for key in keys for form, kind, _ in key.forms if kind != SEGMENT]
    copy(
        "match_titles",
        {
            "key": (pl.Int32, [row[0] for row in titles]),
            "title_key": (pl.String, [row[1] for row in titles]),
            "kind": (pl.Int16, [row[2] for row in titles]),
        },
    )
    series = [(key.key, *one) for key in keys for one in key.series.items()]
    copy(
        "match_series",
        {
            "key": (pl.Int32, [row[0] for row in series]),
            "series_id": (pl.Int64, [row[1] for row in series]),
            "source": (pl.Int16, [int(row[2]) for row in series]),
        },
    )
    ids = [(key.key, part, place) for key in keys for place, part in enumerate(key.ids)]
    copy(
        "match_ids",
        {
            "key": (pl.Int32, [row[0] for row in ids]),
            "ref_key": (pl.String, [row[1] for row in ids]),
            "kind": (pl.Int16, [row[2] for row in ids]),
        },
    )
