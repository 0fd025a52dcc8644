"""One key of the review queue, read live: what waits, its spellings, candidates, rows and uploads.

`viewership.review_queue` aggregates every row that waits; these queries read the same for one key alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jobs.console.tables.ledger import like

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal

    from shared.database.session import DatabaseSession

__all__ = [
    "Candidate",
    "Field",
    "Group",
    "Key",
    "Queue",
    "decided_among",
    "find_episodes",
    "forget",
    "groups",
    "key",
    "queue",
    "remember",
]

_EXAMPLES: Final = 8
_UPLOADS: Final = 12
_SPELLINGS: Final = 12
_CANDIDATES: Final = 9
_FOUND: Final = 9

# The view's conditions: what waits of one key. Keep them equal to those of viewership.review_queue.
_WAITING: Final = """
    WITH waiting AS (
        SELECT k.key_id, m.status = 'matched' AS accepted, m.status <> 'unmatched' AS review,
            count(*) FILTER (WHERE s.code IS NULL) AS rows,
            COALESCE(sum(r.tot_hov) FILTER (WHERE s.code IS NULL), 0) AS hours,
            COALESCE(sum(r.revenue) FILTER (WHERE s.code IS NULL), 0) AS revenue,
            count(*) FILTER (WHERE s.code IS NOT NULL) AS held, array_agg(DISTINCT r.upload_id) AS uploads,
            min(u.created_at) AS since
        FROM viewership.keys k
        JOIN viewership.matches m USING (key_id)
        JOIN viewership.platform_viewership r USING (key_id)
        JOIN viewership.uploads u USING (upload_id)
        JOIN viewership.scopes s USING (scope_id)
        WHERE k.review_digest = :digest AND u.status IN ('matched', 'loaded', 'partial')
            AND (m.status IN ('review', 'unmatched')
                OR r.upload_id <> ALL (m.uploads) AND NOT u.replaces && m.uploads)
        GROUP BY k.key_id, m.status
    ), summed AS (
        SELECT array_agg(key_id ORDER BY key_id) AS keys,
            (array_agg(key_id ORDER BY hours DESC, rows DESC, key_id))[1] AS first, bool_or(review) AS review,
            bool_or(accepted) AS accepted, sum(rows)::bigint AS rows, sum(hours) AS hours, sum(revenue) AS revenue,
            sum(held)::bigint AS held, min(since) AS since,
            (SELECT count(DISTINCT x) FROM waiting w, unnest(w.uploads) x) AS uploads
        FROM waiting HAVING count(*) > 0
    )
"""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a key beside that of an episode.

    Attributes:
        name: title, series, season, episode or id.
        mine: the key's text; None if it has none.
        its: the episode's text; None if it has none.
        result: equal, different or missing.
    """

    name: str
    mine: str | None
    its: str | None
    result: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """An episode that a key may mean.

    Attributes:
        episode_id: its number.
        name: its ref id, or its number with ``id:``.
        title: series and title.
        active: whether rows may match it.
        score: 0 to 100; None for one that a search found.
        margin: points ahead of the next, or behind the best; None without a score or another candidate.
        found_by: names of the evidence.
        fields: the key's fields beside its own.
    """

    episode_id: int
    name: str
    title: str
    active: bool
    score: float | None
    margin: float | None
    found_by: tuple[str, ...]
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """A review key, whether it waits or not.

    Attributes:
        digest: its digest.
        platform: the platform.
        status: ``review``, ``unmatched``, ``rejected`` or ``matched``.
        fields: name of a field -> text as the rows with most hours have it.
        keys: numbers of all spellings.
        waits: whether rows of it wait.
        rows: rows that wait.
        hours: their hours.
        revenue: their revenue.
        uploads: uploads with these rows.
        held: further rows that wait for a deal, channel or territory first.
        since: when it started to wait.
        reasons: why it waits, as sentences.
        candidates: best first.
        spellings: rows of viewership.keys and matches.
        examples: rows with the most hours.
        found_in: uploads with rows of it.
    """

    digest: bytes
    platform: str
    status: str
    fields: dict[str, str | None]
    keys: tuple[int, ...]
    waits: bool
    rows: int
    hours: Decimal | int
    revenue: Decimal | int
    uploads: int
    held: int
    since: datetime | None
    reasons: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    spellings: tuple[Any, ...]
    examples: tuple[Any, ...]
    found_in: tuple[Any, ...]

    @property
    def title(self) -> str:
        """Return series and title, or the content id."""
        name = self.fields["title"] or self.fields["title 2"] or self.fields["id"]
        return ": ".join(part for part in (self.fields["series"], name) if part) or "(no title)"


@dataclass(frozen=True, slots=True)
class Queue:
    """A number of keys that wait, and the hours of their rows."""

    keys: int
    hours: Decimal | int


class Group(NamedTuple):
    """Keys that wait with the same values: the values, the number of keys, and their hours."""

    values: tuple[str | None, ...]
    keys: int
    hours: Decimal


def queue(database: DatabaseSession, where: str = "", values: dict[str, Any] | None = None) -> Queue:
    """Return the sums of the copy of the queue.

    Args:
        database: a transaction.
        where: trusted SQL of a WHERE clause over ``console.review_keys q``.
        values: its parameters.
    """
    (row,) = database.rows(
        f"SELECT count(*), COALESCE(sum(q.hours), 0) FROM console.review_keys q {where}",  # noqa: S608 - trusted
        **(values or {}),
    )
    return Queue(*row)


def groups(
    database: DatabaseSession, expressions: Sequence[str], where: str = "", values: dict[str, Any] | None = None
) -> list[Group]:
    """Return the copy of the queue in groups by the values of a few expressions.

    Args:
        database: a transaction.
        expressions: trusted SQL over ``console.review_keys q``, each with few distinct values.
        where: trusted SQL of a WHERE clause.
        values: its parameters.
    """
    places = ", ".join(str(place) for place in range(1, len(expressions) + 1))
    rows = database.rows(
        f"SELECT {', '.join(f'({each})::text' for each in expressions)}, count(*), sum(q.hours)"  # noqa: S608 - trusted
        f" FROM console.review_keys q {where} GROUP BY {places}",
        **(values or {}),
    )
    return [Group(tuple(row[:-2]), row[-2], row[-1]) for row in rows]


def decided_among(database: DatabaseSession, digests: Sequence[bytes]) -> set[bytes]:
    """Return which of some keys of the copy do not wait any more."""
    rows = database.rows(
        """
        SELECT d.digest FROM unnest(CAST(:digests AS bytea[])) d (digest)
        WHERE NOT EXISTS (
            SELECT FROM viewership.keys k JOIN viewership.matches m USING (key_id)
            WHERE k.review_digest = d.digest AND (m.status IN ('review', 'unmatched') OR m.uploads IS NOT NULL
                AND EXISTS (
                    SELECT FROM viewership.platform_viewership r JOIN viewership.uploads u USING (upload_id)
                    WHERE r.key_id = m.key_id AND u.status IN ('matched', 'loaded', 'partial')
                        AND r.upload_id <> ALL (m.uploads) AND NOT u.replaces && m.uploads))
        )
        """,
        digests=list(digests),
    )
    return {bytes(row.digest) for row in rows}


def forget(database: DatabaseSession, digest: bytes) -> None:
    """Remove a key from the copy of the queue, in the transaction of its decision."""
    database.run("DELETE FROM console.review_keys WHERE review_digest = :digest", digest=digest)


def remember(database: DatabaseSession, digest: bytes) -> None:
    """Write a key to the copy of the queue as it waits now, in the transaction of an undo."""
    forget(database, digest)
    database.run(
        f"""
        {_WAITING}
        INSERT INTO console.review_keys (review_digest, platform, status, title, series, season, episode, content_id,
            keys, rows, held, uploads, hours, revenue, accepted_before, candidates, score, margin, reason,
            waiting_since)
        SELECT k.review_digest, k.review_key[1], CASE WHEN q.review THEN 'review' ELSE 'unmatched' END,
            COALESCE(k.content_name, k.content_name_2), k.series, k.season, k.episode, k.content_id, q.keys, q.rows,
            q.held, q.uploads, q.hours, q.revenue, CASE WHEN q.accepted THEN m.episode_id END,
            jsonb_array_length(m.candidates), c.score, c.score - c.next, m.reasons -> 0 ->> 'code', q.since
        FROM summed q JOIN viewership.keys k ON k.key_id = q.first JOIN viewership.matches m ON m.key_id = q.first
        CROSS JOIN LATERAL (
            SELECT (array_agg(s ORDER BY s DESC))[1] AS score, (array_agg(s ORDER BY s DESC))[2] AS next
            FROM (SELECT (x ->> 'score')::numeric AS s FROM jsonb_array_elements(m.candidates) x) scores
        ) c
        ON CONFLICT (review_digest) DO NOTHING
        """,  # noqa: S608 - a constant of this module
        digest=digest,
    )


def key(database: DatabaseSession, digest: bytes) -> Key | None:
    """Return a key; None if there is none, or if none of its spellings is matched yet.

    Args:
        database: a transaction.
        digest: the key's digest.
    """
    spellings = database.rows(
        "SELECT k.key_id, k.series, k.content_name, k.content_name_2, k.season, k.episode, k.content_id, k.title_key,"
        " k.title_key_2, k.series_key, k.content_key, k.review_key, m.status, m.bucket, m.candidates, m.reasons,"
        " m.episode_id, m.decision_id FROM viewership.keys k JOIN viewership.matches m USING (key_id)"
        " WHERE k.review_digest = :digest ORDER BY k.key_id",
        digest=digest,
    )
    if not spellings:
        return None
    sql = f"{_WAITING} SELECT * FROM summed"  # noqa: S608 - a constant of this module
    waiting = next(iter(database.rows(sql, digest=digest)), None)
    first = next((row for row in spellings if waiting and row.key_id == waiting.first), spellings[0])
    accepted = first.episode_id if waiting and waiting.accepted else None
    candidates = first.candidates
    if accepted is not None:
        candidates = [{"episode_id": accepted, "score": 100.0, "found_by": ["an earlier decision"]}]
    keys = [row.key_id for row in spellings]
    status = min((row.status for row in spellings), key=("review", "unmatched", "rejected", "matched").index)
    if waiting:
        status = "review" if waiting.review else "unmatched"
    return Key(
        digest=digest,
        platform=first.review_key[0],
        status=status,
        fields={
            "title": first.content_name,
            "title 2": first.content_name_2,
            "series": first.series,
            "season": first.season,
            "episode": first.episode,
            "id": first.content_id,
        },
        keys=tuple(keys),
        waits=waiting is not None,
        rows=waiting.rows if waiting else 0,
        hours=waiting.hours if waiting else 0,
        revenue=waiting.revenue if waiting else 0,
        uploads=waiting.uploads if waiting else 0,
        held=waiting.held if waiting else 0,
        since=waiting.since if waiting else None,
        reasons=("an episode was accepted for earlier uploads, not for later ones",)
        if accepted is not None
        else _sentences(first.reasons),
        candidates=_candidates(database, first, candidates),
        spellings=tuple(spellings[:_SPELLINGS]),
        examples=tuple(_examples(database, keys)),
        found_in=tuple(_found_in(database, keys)),
    )


def _sentences(reasons: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    found = (
        ": ".join(str(part) for part in (each.get("message") or each.get("code"), each.get("note")) if part)
        for each in reasons
    )
    return tuple(dict.fromkeys(filter(None, found)))


def _examples(database: DatabaseSession, keys: Sequence[int]) -> list[Any]:
    # Rows first, then their fates: the view of fates would look at every row of the keys.
    return database.rows(
        """
        SELECT r.upload_id, r.line, r.date, r.platform_content_name AS title, r.platform_series AS series,
            r.season_number AS season, r.episode_number AS episode, r.platform_content_id AS content_id,
            r.tot_hov AS hours, r.revenue,
            concat_ws(' / ', s.platform_partner_name, s.platform_channel_name, s.platform_territory) AS place,
            s.code AS held
        FROM (
            SELECT x.id FROM viewership.platform_viewership x JOIN viewership.uploads u USING (upload_id)
            WHERE x.key_id = ANY (CAST(:keys AS bigint[])) AND u.status IN ('matched', 'loaded', 'partial')
            ORDER BY x.tot_hov DESC NULLS LAST, x.revenue DESC NULLS LAST, x.id LIMIT :most
        ) top
        JOIN viewership.platform_viewership r USING (id)
        JOIN viewership.scopes s USING (scope_id)
        ORDER BY r.tot_hov DESC NULLS LAST, r.revenue DESC NULLS LAST, r.id
        """,
        keys=list(keys),
        most=_EXAMPLES,
    )


def _found_in(database: DatabaseSession, keys: Sequence[int]) -> list[Any]:
    return database.rows(
        "SELECT u.upload_id, u.filename, u.status, count(*) AS rows, COALESCE(sum(r.tot_hov), 0) AS hours"
        " FROM viewership.platform_viewership r JOIN viewership.uploads u USING (upload_id)"
        " WHERE r.key_id = ANY (CAST(:keys AS bigint[])) AND u.status IN ('matched', 'loaded', 'partial')"
        " GROUP BY u.upload_id ORDER BY u.upload_id DESC LIMIT :most",
        keys=list(keys),
        most=_UPLOADS,
    )


def _candidates(database: DatabaseSession, mine: Any, found: Sequence[dict[str, Any]]) -> tuple[Candidate, ...]:
    """Return stored candidates, best first, each beside a spelling."""
    ranked = sorted(found, key=lambda each: -float(each["score"]))[:_CANDIDATES]
    known = {row.id: row for row in _episodes(database, [each["episode_id"] for each in ranked], mine)}
    scores = [float(each["score"]) for each in ranked]
    shown = []
    for place, each in enumerate(ranked):
        next_best = scores[1] if len(scores) > 1 else None
        ahead = None if next_best is None else scores[0] - next_best
        margin = ahead if place == 0 else scores[place] - scores[0]
        if each["episode_id"] in known:
            row = known[each["episode_id"]]
            words = tuple(str(word).lower().replace("_", " ") for word in each.get("found_by", ()))
            shown.append(_candidate(row, mine, scores[place], margin, words))
    return tuple(shown)


def find_episodes(database: DatabaseSession, digest: bytes, text: str) -> tuple[Candidate, ...]:
    """Return up to nine active episodes whose ref id, series, title and numbers contain every word of a text.

    Args:
        database: a transaction.
        digest: the key to show them beside.
        text: words, such as ``harbour storm`` or ``HL-0101``.
    """
    words = text.split()[:8]
    rows = database.rows(
        """
        SELECT DISTINCT ON (e.id) e.id FROM catalog.episodes e
        JOIN catalog.series s ON s.id = e.series_id AND s.status = 'active'
        LEFT JOIN catalog.series_titles st ON st.series_id = s.id
        LEFT JOIN catalog.episode_titles t ON t.episode_id = e.id
        WHERE e.active
            AND concat_ws(' ', e.ref_id, st.title, t.title, 's' || e.season, 'e' || e.episode) ILIKE ALL (:words)
        ORDER BY e.id LIMIT :most
        """,
        words=["%" + like(word) for word in words],
        most=_FOUND,
    )
    if not rows:
        return ()
    mine = database.rows(
        "SELECT k.* FROM viewership.keys k WHERE k.review_digest = :digest ORDER BY k.key_id LIMIT 1", digest=digest
    )
    found = _episodes(database, [row.id for row in rows], mine[0])
    return tuple(_candidate(row, mine[0], None, None, ()) for row in found)


def _episodes(database: DatabaseSession, ids: Sequence[int], mine: Any) -> list[Any]:
    """Return episodes with those of their titles that a spelling equals, or else their main ones."""
    return database.rows(
        """
        SELECT e.id, e.ref_id, e.ref_key, e.season, e.episode, e.season_no, e.episode_no,
            e.active AND c.status = 'active' AS active, t.title, t.title_key, st.title AS series, st.series_key
        FROM catalog.episodes e
        JOIN catalog.series c ON c.id = e.series_id
        LEFT JOIN LATERAL (
            SELECT x.title, x.title_key FROM catalog.episode_titles x WHERE x.episode_id = e.id
            ORDER BY x.title_key = ANY (CAST(:titles AS text[])) DESC, x.main DESC, x.title LIMIT 1
        ) t ON true
        LEFT JOIN LATERAL (
            SELECT x.title, x.series_key FROM catalog.series_titles x WHERE x.series_id = c.id
            ORDER BY COALESCE(x.series_key = :series, false) DESC, x.main DESC, x.title LIMIT 1
        ) st ON true
        WHERE e.id = ANY (CAST(:ids AS bigint[]))
        ORDER BY st.title, e.season_no, e.episode_no, e.id
        """,
        ids=list(ids),
        titles=[each for each in (mine.title_key, mine.title_key_2) if each],
        series=mine.series_key,
    )


def _candidate(row: Any, mine: Any, score: float | None, margin: float | None, found_by: tuple[str, ...]) -> Candidate:
    titles = [mine.title_key, mine.title_key_2]
    second = mine.title_key != row.title_key and mine.title_key_2 == row.title_key
    fields = (
        _field(
            "title",
            mine.content_name_2 if second else mine.content_name or mine.content_name_2,
            row.title,
            equal=row.title_key in titles,
        ),
        _field("series", mine.series, row.series, equal=mine.series_key == row.series_key),
        _field("season", mine.season, row.season, equal=_number(row.season_no, row.season) == mine.review_key[3]),
        _field("episode", mine.episode, row.episode, equal=_number(row.episode_no, row.episode) == mine.review_key[4]),
        _field("id", mine.content_id, row.ref_id, equal=_within(row.ref_key, mine.content_key)),
    )
    return Candidate(
        row.id,
        row.ref_id or f"id:{row.id}",
        ": ".join(part for part in (row.series, row.title) if part),
        row.active,
        score,
        None if margin is None else round(margin, 2),
        found_by,
        fields,
    )


def _field(name: str, mine: str | None, its: str | None, *, equal: bool) -> Field:
    result = "missing" if not mine or not its else "equal" if equal else "different"
    return Field(name, mine or None, its or None, result)


def _number(number: int | None, text: str | None) -> str:
    """Return a season or episode of the catalogue as a review key has it."""
    return str(number) if number is not None else (text or "").strip().casefold()


def _within(part: str | None, whole: str | None) -> bool:
    """Return whether an id occurs in another with no letter or digit beside it; both are keys."""
    return bool(part and whole and re.search(rf"(?<![^\W_]){re.escape(part)}(?![^\W_])", whole))
