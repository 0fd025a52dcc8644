"""One review key, read live: its waiting rows, spellings, candidates and uploads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.console.tables.viewership.candidates import candidates_of
from jobs.console.tables.viewership.waiting import WAITING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal

    from jobs.console.tables.viewership.candidates import Candidate
    from shared.database.session import DatabaseSession

__all__ = ["Key", "key"]

_EXAMPLES: Final = 8
_UPLOADS: Final = 12
_SPELLINGS: Final = 12


@dataclass(frozen=True, slots=True)
class Key:
    """A review key, whether it waits or not.

    Attributes:
        digest: its digest.
        platform: the platform.
        status: ``review``, ``unmatched``, ``rejected`` or ``matched``.
        fields: name of a field -> text as the rows with most hours have it.
        keys: numbers of all spellings.
        waits: True if rows of it are waiting.
        rows: waiting rows.
        hours: their hours.
        revenue: their revenue.
        uploads: uploads with these rows.
        held: further rows held for a deal, channel or territory.
        since: when its first upload was made.
        reasons: why it needs a decision, as sentences.
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
    sql = f"{WAITING} SELECT * FROM summed"  # noqa: S608 - a constant of this module
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
        candidates=candidates_of(database, first, candidates),
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
