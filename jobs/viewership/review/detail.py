"""A key in detail: spellings, candidates field by field, rows, uploads, decisions and earlier matches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.keys.ids import contains_at_token_borders, id_key
from jobs.viewership.keys.numbering import whole_number
from jobs.viewership.keys.text import cleaned
from jobs.viewership.keys.titles import series_key, title_key
from jobs.viewership.model import plain
from jobs.viewership.review.documents import (
    CandidateShown,
    DecisionShown,
    Difference,
    EpisodeShown,
    KeyShown,
    MatchShown,
    RowShown,
    Spelling,
    UndoneKey,
    UploadShown,
)
from jobs.viewership.review.episodes import episodes_of
from jobs.viewership.review.names import names_of
from jobs.viewership.review.queue import candidates_of, sentences, waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from jobs.viewership.review.episodes import Episode
    from jobs.viewership.review.queue import Candidate
    from shared.database.session import DatabaseSession

__all__ = ["candidate_shown", "decisions_shown", "detail", "episode_shown", "moment"]

_EXAMPLES: Final = 5
_LISTED: Final = 20
_STATUSES: Final = ("review", "unmatched", "rejected", "matched")


def moment(value: datetime) -> str:
    """Return a time as text in UTC."""
    from datetime import UTC

    return value.astimezone(UTC).isoformat(timespec="seconds")


def episode_shown(episode: Episode | None) -> EpisodeShown | None:
    """Return an episode for a document."""
    if episode is None:
        return None
    return EpisodeShown(
        id=episode.episode_id,
        ref_id=episode.ref_id,
        title=episode.title,
        series=episode.series,
        season=episode.season,
        episode=episode.episode,
        active=episode.active,
    )


def candidate_shown(number: int, candidate: Candidate, key: dict[str, str | None]) -> CandidateShown:
    """Return a candidate for a document, with its differences from a key.

    Args:
        number: its place, from 1.
        candidate: the candidate.
        key: ``title``, ``title_2``, ``series``, ``season``, ``episode`` and ``content_id`` of the key.
    """
    return CandidateShown(
        number=number,
        score=round(candidate.score, 2),
        margin=candidate.margin,
        found_by=list(candidate.found_by),
        episode=episode_shown(candidate.episode),
        differences=_differences(key, candidate.episode) if candidate.episode is not None else [],
    )


def _differences(key: dict[str, str | None], episode: Episode) -> list[Difference]:
    def one(
        field: Any, mine: Sequence[str | None], its: Sequence[str | None], equal: Callable[[str, str], bool]
    ) -> Any:
        left, right = [text for text in mine if text], [text for text in its if text]
        pair = next(((a, b) for a in left for b in right if equal(a, b)), None)
        result = "missing" if not left or not right else "different" if pair is None else "equal"
        shown = pair or (left[0] if left else None, right[0] if right else None)
        return Difference(field=field, key=shown[0], candidate=shown[1], result=result)

    def numbers(a: str, b: str) -> bool:
        left, right = whole_number(a), whole_number(b)
        return left == right if left is not None else cleaned(a).casefold() == cleaned(b).casefold()

    def ids(a: str, b: str) -> bool:
        return id_key(a) == id_key(b) or contains_at_token_borders(a, b)

    return [
        one("title", (key["title"], key["title_2"]), episode.titles, lambda a, b: title_key(a) == title_key(b)),
        one("series", (key["series"],), episode.series_names, lambda a, b: series_key(a) == series_key(b)),
        one("season", (key["season"],), (episode.season,), numbers),
        one("episode", (key["episode"],), (episode.episode,), numbers),
        one("id", (key["content_id"],), (episode.ref_id,), ids),
    ]


def decisions_shown(session: DatabaseSession, rows: Sequence[Any]) -> list[DecisionShown]:
    """Return rows of viewership.decisions for a document."""
    known = episodes_of(session, {row.episode_id for row in rows if row.episode_id is not None})
    return [
        DecisionShown(
            decision=row.decision_id,
            action=row.action,
            episode_id=row.episode_id,
            ref_id=known[row.episode_id].ref_id if row.episode_id in known else None,
            reason=row.note,
            by=row.decided_by,
            role=row.decided_role,
            at=moment(row.decided_at),
            undone_by=row.undone_by,
            undone_role=row.undone_role,
            undone_at=moment(row.undone_at) if row.undone_at is not None else None,
        )
        for row in rows
    ]


def undone_keys(session: DatabaseSession, decision: int) -> list[UndoneKey]:
    """Return the keys of a decision before it is undone, each with the later decision that it keeps, if any.

    Args:
        session: a transaction.
        decision: its number.
    """
    rows = session.rows(
        """
        SELECT DISTINCT ON (k.review_digest) k.review_digest, concat_ws(': ', k.series,
                COALESCE(k.content_name, k.content_name_2, k.content_id)) AS title,
            max(m.decision_id) OVER (PARTITION BY k.review_digest) AS last
        FROM viewership.decisions d
        JOIN viewership.keys k ON k.key_id = ANY (d.keys)
        LEFT JOIN viewership.matches m ON m.key_id = k.key_id
        WHERE d.decision_id = :decision ORDER BY k.review_digest, k.key_id
        """,
        decision=decision,
    )
    names = names_of(session, [bytes(row.review_digest) for row in rows])
    return [
        UndoneKey(
            decision=decision,
            key=names[bytes(row.review_digest)],
            title=row.title or "(no title)",
            kept_by=row.last if row.last is not None and row.last > decision else None,
        )
        for row in rows
    ]


def detail(session: DatabaseSession, digest: bytes, commands: Callable[[str, int], list[str]]) -> KeyShown:
    """Return everything about a key.

    Args:
        session: a transaction.
        digest: its digest.
        commands: returns the next commands for the key's name and the number of its candidates.
    """
    name = names_of(session, [digest])[digest]
    rows = session.rows(
        "SELECT k.*, m.status, m.episode_id, m.bucket, m.decision_id, m.reasons, m.candidates"
        " FROM viewership.keys k JOIN viewership.matches m USING (key_id) WHERE k.review_digest = :digest"
        " ORDER BY k.key_id",
        digest=digest,
    )
    keys = [row.key_id for row in rows]
    queued = next(iter(waiting(session, digests=[digest])), None)
    first = next((row for row in rows if queued and row.key_id in queued.keys), rows[0])
    if queued is not None:
        found = queued.candidates
    else:
        found = candidates_of(first.candidates, episodes_of(session, {each["episode_id"] for each in first.candidates}))
    fields = {
        "title": first.content_name,
        "title_2": first.content_name_2,
        "series": first.series,
        "season": first.season,
        "episode": first.episode,
        "content_id": first.content_id,
    }
    uploads = _uploads(session, keys)
    state = session.rows("SELECT viewership.review_state(CAST(:keys AS bigint[])) AS state", keys=keys)[0].state
    status = queued.status if queued else min((row.status for row in rows), key=_STATUSES.index)
    return KeyShown(
        key=name,
        digest=digest.hex(),
        platform=first.review_key[0],
        status=status,
        **fields,
        rows=queued.rows if queued else 0,
        held=queued.held if queued else 0,
        uploads=queued.uploads if queued else 0,
        hours=plain(queued.hours) if queued else "0",
        revenue=plain(queued.revenue) if queued else "0",
        reasons=list(queued.reasons if queued else sentences(first.reasons)),
        state=state,
        spellings=[
            Spelling(
                key_id=row.key_id,
                series=row.series,
                title=row.content_name,
                title_2=row.content_name_2,
                season=row.season,
                episode=row.episode,
                content_id=row.content_id,
                status=row.status,
                episode_id=row.episode_id,
                bucket=row.bucket,
                decision=row.decision_id,
                reasons=list(sentences(row.reasons)),
            )
            for row in rows
        ],
        candidates=[candidate_shown(place, each, fields) for place, each in enumerate(found, 1)],
        examples=_examples(session, keys),
        found_in=uploads,
        decisions=decisions_shown(
            session,
            session.rows(
                "SELECT * FROM viewership.decisions WHERE keys && CAST(:keys AS bigint[]) ORDER BY decision_id DESC",
                keys=keys,
            ),
        ),
        matches=_history(session, keys),
        commands=commands(name, len(found)),
    )


def _examples(session: DatabaseSession, keys: Sequence[int]) -> list[RowShown]:
    rows = session.rows(
        """
        SELECT r.upload_id, r.line, r.date, s.platform_partner_name, s.platform_channel_name, s.platform_territory,
            r.platform_content_name, r.platform_series, r.season_number, r.episode_number, r.platform_content_id,
            r.tot_hov, r.revenue, f.fate, f.code
        FROM viewership.row_fates f
        JOIN viewership.platform_viewership r ON r.id = f.viewership_id
        JOIN viewership.scopes s ON s.scope_id = r.scope_id
        WHERE f.key_id = ANY (CAST(:keys AS bigint[]))
        ORDER BY r.tot_hov DESC NULLS LAST, r.revenue DESC NULLS LAST, r.id LIMIT :limit
        """,
        keys=list(keys),
        limit=_EXAMPLES,
    )
    return [
        RowShown(
            upload=row.upload_id,
            line=row.line,
            date=str(row.date) if row.date is not None else None,
            partner=row.platform_partner_name,
            channel=row.platform_channel_name,
            territory=row.platform_territory,
            title=row.platform_content_name,
            series=row.platform_series,
            season=row.season_number,
            episode=row.episode_number,
            content_id=row.platform_content_id,
            hours=plain(row.tot_hov) if row.tot_hov is not None else None,
            revenue=plain(row.revenue) if row.revenue is not None else None,
            fate=row.fate,
            code=row.code,
        )
        for row in rows
    ]


def _uploads(session: DatabaseSession, keys: Sequence[int]) -> list[UploadShown]:
    rows = session.rows(
        """
        SELECT u.upload_id, u.filename, u.status, count(*) AS rows, COALESCE(sum(r.tot_hov), 0) AS hours,
            COALESCE(sum(r.revenue), 0) AS revenue
        FROM viewership.platform_viewership r JOIN viewership.uploads u USING (upload_id)
        WHERE r.key_id = ANY (CAST(:keys AS bigint[]))
        GROUP BY u.upload_id ORDER BY u.upload_id DESC LIMIT :limit
        """,
        keys=list(keys),
        limit=_LISTED,
    )
    return [
        UploadShown(
            upload=row.upload_id,
            file=row.filename,
            status=row.status,
            rows=row.rows,
            hours=plain(row.hours),
            revenue=plain(row.revenue),
        )
        for row in rows
    ]


def _history(session: DatabaseSession, keys: Sequence[int]) -> list[MatchShown]:
    rows = session.rows(
        "SELECT key_id, status, bucket, episode_id, decision_id, matched_at, replaced_at FROM viewership.match_history"
        " WHERE key_id = ANY (CAST(:keys AS bigint[])) ORDER BY id DESC LIMIT :limit",
        keys=list(keys),
        limit=_LISTED,
    )
    return [
        MatchShown(
            key_id=row.key_id,
            status=row.status,
            bucket=row.bucket,
            episode_id=row.episode_id,
            decision=row.decision_id,
            matched_at=moment(row.matched_at),
            replaced_at=moment(row.replaced_at),
        )
        for row in rows
    ]
