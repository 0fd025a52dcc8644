"""Our matcher's answers: the catalogue is written to a database, and the keys are matched there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.viewership.matching.matcher import match_keys
from jobs.viewership.matching.model import Decision
from shared.database.session import transaction
from tests.matching.catalogue import write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.viewership.matching.matcher import Matches
    from shared.settings.database import DatabaseSettings
    from tests.matching.noise import Labelled
    from tests.matching.score import Answer
    from tests.matching.world import World

__all__ = ["answers", "matches"]


def matches(settings: DatabaseSettings, made: World, rows: Sequence[Labelled]) -> Matches:
    """Match rows in a transaction that is rolled back, so that the next catalogue finds empty tables."""
    with transaction(settings) as session:
        write(session, made.catalogue)
        result = match_keys(session, [row.key for row in rows])
        session.run("ROLLBACK")
    return result


def answers(result: Matches) -> dict[int, Answer]:
    """Return what was accepted: number of the key -> episode and bucket."""
    return {
        one.key: (one.episode_id, one.bucket.value)
        for one in result.matches
        if one.decision is Decision.MATCHED and one.episode_id is not None and one.bucket is not None
    }
