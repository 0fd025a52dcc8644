"""Match distinct keys to the catalogue: aliases, six buckets, similar titles, and a reason for every result."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from jobs.viewership.keys.version import KEY_VERSION
from jobs.viewership.matching.cascade import run_cascade
from jobs.viewership.matching.decided import decided
from jobs.viewership.matching.episodes import CatalogueTitles
from jobs.viewership.matching.judge import Judge
from jobs.viewership.matching.known import catalogue_version, ref_keys, series_names
from jobs.viewership.matching.model import RULES
from jobs.viewership.matching.prepare import prepare
from shared.collector import no_collection
from shared.threads import frequent_switches

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from jobs.viewership.matching.cascade import Step
    from jobs.viewership.matching.model import Match, MatchRules
    from jobs.viewership.matching.prepare import MatchKey, Prepared
    from shared.database.session import DatabaseSession

__all__ = ["Matches", "match_keys"]

_PIECE: Final = 40_000
"""Keys of one cascade. Each reads the titles of the catalogue again, which takes 0.1 s."""


@dataclass(frozen=True, slots=True)
class Matches:
    """The results of all keys.

    Attributes:
        matches: one per key, in their order.
        steps: keys, matches and seconds of each step of the cascade.
        failed: steps that failed; the matches of the others are kept.
        rules: name of the rules.
        key_version: version of the keys.
        catalog_version: version of the catalogue.
    """

    matches: tuple[Match, ...]
    steps: tuple[Step, ...]
    failed: tuple[str, ...]
    rules: str
    key_version: int
    catalog_version: int


def match_keys(session: DatabaseSession, keys: Sequence[MatchKey], rules: str | MatchRules = "standard-1") -> Matches:
    """Match keys to the catalogue.

    Only the catalogue and the keys determine the result; the order of the keys does not. Many keys are matched in
    pieces: while PostgreSQL passes one through the buckets, in another thread, the next one is parsed and the one
    before is decided.

    Args:
        session: a transaction; its isolation decides whether a concurrent import is seen halfway (repeatable read).
        keys: distinct keys, their numbers distinct as well.
        rules: the rules, or the name of one of :data:`jobs.viewership.matching.model.RULES`.

    Raises:
        ConfigurationError: the catalogue has no episode.
    """
    chosen = RULES[rules] if isinstance(rules, str) else rules
    version = catalogue_version(session)
    with no_collection(), frequent_switches():
        matches, steps = _in_pieces(session, keys, chosen)
    failed = tuple(step.name for step in steps if step.error is not None)
    return Matches(tuple(matches), tuple(steps), failed, chosen.name, KEY_VERSION, version)


def _in_pieces(session: DatabaseSession, keys: Sequence[MatchKey], rules: MatchRules) -> tuple[list[Match], list[Step]]:
    """Match keys piece by piece. The session is used by one thread at a time: here before the pool, then by its own."""
    names, refs, titles = series_names(session, rules), ref_keys(session), CatalogueTitles(rules)

    def collect(piece: Sequence[MatchKey], prepared: list[Prepared]) -> tuple[list[Step], Judge]:
        cascade = run_cascade(session, prepared, rules, decided(session, piece, prepared))
        return cascade.steps, Judge(session, prepared, cascade, rules, titles)

    matches: list[Match] = []
    steps: list[Step] = []

    def decide(prepared: list[Prepared], found: Future[tuple[list[Step], Judge]]) -> None:
        mine, judge = found.result()
        steps[:] = [_added(one, other) for one, other in zip(steps, mine, strict=True)] if steps else mine
        matches.extend(judge.match(key) for key in prepared)

    pool = ThreadPoolExecutor(1, thread_name_prefix="cascade")
    try:
        waiting: tuple[list[Prepared], Future[tuple[list[Step], Judge]]] | None = None
        for piece in _pieces(keys):
            prepared = prepare(piece, names, refs)
            following = prepared, pool.submit(collect, piece, prepared)
            if waiting is not None:
                decide(*waiting)
            waiting = following
        if waiting is not None:
            decide(*waiting)
    finally:
        # The caller's rollback needs the session: wait for the piece that runs, a second or two for 40,000 keys.
        pool.shutdown(cancel_futures=True)
    return matches, steps


def _pieces(keys: Sequence[MatchKey]) -> Iterator[Sequence[MatchKey]]:
    """Yield the keys in pieces of about the same size; at least one, so that every step is named."""
    count = max(1, round(len(keys) / _PIECE))
    size = -(-len(keys) // count)
    for number in range(count):
        yield keys[number * size : (number + 1) * size]


def _added(one: Step, other: Step) -> Step:
    """Add up the same step of two pieces."""
    return replace(
        one,
        keys=one.keys + other.keys,
        found=one.found + other.found,
        seconds=one.seconds + other.seconds,
        error=one.error or other.error,
    )
