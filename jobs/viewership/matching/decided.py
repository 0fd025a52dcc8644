"""Find the keys that a reviewer's alias decides: only those with the review key of the decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.viewership.keys.review import review_key
from jobs.viewership.keys.titles import title_form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.viewership.matching.prepare import MatchKey, Prepared
    from shared.database.session import DatabaseSession

__all__ = ["decided"]


def decided(session: DatabaseSession, keys: Sequence[MatchKey], prepared: Sequence[Prepared]) -> dict[int, int]:
    """Return the episode of each key that an alias of the review decides.

    Args:
        session: the transaction that matches.
        keys: the keys.
        prepared: the same keys, parsed.
    """
    rows = session.rows(
        "SELECT v.review_digest, v.content_name, v.content_name_2, a.episode_id FROM catalog.aliases a"
        " JOIN viewership.keys v ON v.key_id = a.key_id WHERE a.undone_at IS NULL"
    )
    if not rows:
        return {}
    episodes = {bytes(row.review_digest): row.episode_id for row in rows}
    # A review key takes 20 µs: it is computed only for keys with the first title of some alias.
    titles = {_first_title(row.content_name, row.content_name_2) for row in rows}
    found = {}
    for key, form in zip(keys, prepared, strict=True):
        if form.title_key in titles:
            digest = review_key(
                key.platform,
                content_name=key.content_name,
                content_name_2=key.content_name_2,
                series=key.series,
                season=key.season,
                episode=key.episode,
                content_id=key.content_id,
            ).digest
            if digest in episodes:
                found[key.key] = episodes[digest]
    return found


def _first_title(*texts: str | None) -> str | None:
    return next((title_form(text).key for text in texts if text and not text.isspace()), None)
