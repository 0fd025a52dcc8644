"""Match distinct keys to the catalogue: aliases, six buckets, similar titles, and a reason for every result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.viewership.keys.version import KEY_VERSION
from jobs.viewership.matching.cascade import run_cascade
from jobs.viewership.matching.decided import decided
from jobs.viewership.matching.judge import Judge
from jobs.viewership.matching.known import catalogue_version, ref_keys, series_names
from jobs.viewership.matching.model import RULES
from jobs.viewership.matching.prepare import prepare
from shared.collector import no_collection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.viewership.matching.cascade import Step
    from jobs.viewership.matching.model import Match, MatchRules
    from jobs.viewership.matching.prepare import MatchKey
    from shared.database.session import DatabaseSession

__all__ = ["Matches", "match_keys"]


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

    Only the catalogue and the keys determine the result; the order of the keys does not.

    Args:
        session: a transaction; its isolation decides whether a concurrent import is seen halfway (repeatable read).
        keys: distinct keys, their numbers distinct as well.
        rules: the rules, or the name of one of :data:`jobs.viewership.matching.model.RULES`.

    Raises:
        ConfigurationError: the catalogue has no episode.
    """
    chosen = RULES[rules] if isinstance(rules, str) else rules
    version = catalogue_version(session)
    with no_collection():
        prepared = prepare(keys, series_names(session, chosen), ref_keys(session))
        cascade = run_cascade(session, prepared, chosen, decided(session, keys, prepared))
        judge = Judge(session, prepared, cascade, chosen)
        matches = tuple(judge.match(key) for key in prepared)
    return Matches(matches, tuple(cascade.steps), cascade.failed, chosen.name, KEY_VERSION, version)
