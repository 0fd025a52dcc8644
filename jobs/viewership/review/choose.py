"""Choose the keys and episodes of one command: keys by name, or all of a series with a safe best candidate."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.review.decisions import Scope, preview
from jobs.viewership.review.episodes import episodes_of, find_episode
from jobs.viewership.review.names import find_key, names_of
from jobs.viewership.review.queue import candidates_of, near_series, waiting
from shared.errors import UsageError
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.viewership.review.decisions import Action
    from jobs.viewership.review.episodes import Episode
    from jobs.viewership.review.queue import Candidate
    from shared.database.session import DatabaseSession

__all__ = ["Choice", "Group", "Plan", "Wanted", "chosen", "planned"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The keys and episodes that a user asks for.

    Attributes:
        action: accept, alias or reject.
        names: keys by name.
        series: all keys of this series that wait.
        platform: of this platform alone.
        episode: the episode, as :func:`find_episode` takes it.
        candidate: place of the candidate, from 1.
        min_score: lowest score of a best candidate, with ``series``.
        min_margin: shortest distance to the next, with ``series``.
    """

    action: Action
    names: tuple[str, ...] = ()
    series: str | None = None
    platform: str | None = None
    episode: str | None = None
    candidate: int | None = None
    min_score: float = 90.0
    min_margin: float = 6.0


@dataclass(frozen=True, slots=True)
class Choice:
    """A key, and the episode that is chosen for it.

    Attributes:
        digest: the review key.
        name: its short name.
        title: series and title, as the platform has them.
        keys: numbers of its spellings.
        episode: the episode; None to reject, or if the key is skipped.
        score: score of the candidate; None if the user named the episode.
        skipped: why it is skipped; None if it is decided.
    """

    digest: bytes
    name: str
    title: str
    keys: tuple[int, ...]
    episode: Episode | None = None
    score: float | None = None
    skipped: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """The keys of one decision: they have the same episode.

    Attributes:
        episode_id: the episode; None to reject.
        choices: the keys.
        scope: rows that it affects.
    """

    episode_id: int | None
    choices: tuple[Choice, ...]
    scope: Scope

    @property
    def keys(self) -> list[int]:
        """Return the numbers of all spellings."""
        return sorted(key for choice in self.choices for key in choice.keys)


@dataclass(frozen=True, slots=True)
class Plan:
    """All decisions of a command.

    Attributes:
        groups: one per decision.
        skipped: keys that are not decided.
        scope: rows that all of them affect.
    """

    groups: tuple[Group, ...]
    skipped: tuple[Choice, ...]
    scope: Scope


def chosen(session: DatabaseSession, wanted: Wanted) -> list[Choice]:
    """Return the keys that a user asks for, each with its episode or the reason why it is skipped.

    Raises:
        UsageError: a key, candidate or episode does not exist, or flags contradict each other.
    """
    if wanted.names and (wanted.series is not None or wanted.platform is not None):
        raise UsageError("keys are combined with --series or --platform; expected keys alone, or --series")
    if not wanted.names and wanted.series is None:
        raise UsageError("no key was passed; expected keys listed by `telecine viewership review list`, or --series")
    if wanted.episode is not None and wanted.candidate is not None:
        raise UsageError("--episode and --candidate are both set; expected only one of them")
    if wanted.series is not None and (wanted.episode is not None or wanted.candidate is not None):
        raise UsageError(
            "--series is combined with --episode or --candidate; expected keys by name, or --series alone, which"
            " takes each key's best candidate"
        )
    if wanted.names and wanted.action != "reject" and wanted.episode is None and wanted.candidate is None:
        raise UsageError("no episode was passed; expected --episode REF, or --candidate N from `review show KEY`")
    found = _named(session, wanted) if wanted.names else _of_series(session, wanted)
    if not found:
        near = near_series(session, wanted.series or "", platform=wanted.platform, status=None)
        meant = f"; did you mean '{one_line(near[0])}'? Expected" if near else "; expected"
        raise UsageError(f"no key of this series waits{meant} a series listed by `telecine viewership review list`")
    return found


def _named(session: DatabaseSession, wanted: Wanted) -> list[Choice]:
    digests = list(dict.fromkeys(find_key(session, name) for name in wanted.names))
    names = names_of(session, digests)
    spellings = _spellings(session, digests)
    episode = None
    if wanted.episode is not None:
        number = find_episode(session, wanted.episode)
        episode = episodes_of(session, [number])[number]
    choices = []
    for digest in digests:
        rows = spellings[digest]
        choice = Choice(digest, names[digest], _title(rows[0]), tuple(row.key_id for row in rows))
        if wanted.action != "reject":
            score = None
            if wanted.candidate is not None:
                candidate = _candidate(session, choice, rows, wanted.candidate)
                episode, score = candidate.episode, candidate.score
            choice = Choice(choice.digest, choice.name, choice.title, choice.keys, episode, score)
        choices.append(_unless_done(session, wanted.action, choice))
    return choices


_DONE: Final = {"accept": "accepted", "alias": "accepted with an alias", "reject": "rejected"}


def _unless_done(session: DatabaseSession, action: Action, choice: Choice) -> Choice:
    """Return a choice, marked as skipped if all of its spellings already have the same decision and none waits."""
    rows = session.rows(
        """
        SELECT DISTINCT m.decision_id, d.action = :action AND m.episode_id IS NOT DISTINCT FROM CAST(:episode AS bigint)
            AND d.undone_at IS NULL AS same
        FROM viewership.matches m LEFT JOIN viewership.decisions d USING (decision_id)
        WHERE m.key_id = ANY (CAST(:keys AS bigint[])) AND (m.decision_id IS NOT NULL OR m.status <> 'matched')
        """,
        action=action,
        episode=choice.episode.episode_id if choice.episode else None,
        keys=list(choice.keys),
    )
    # Rows of a later upload may wait although their key is decided.
    if not rows or not all(row.same for row in rows) or waiting(session, digests=[choice.digest]):
        return choice
    numbers = sorted({row.decision_id for row in rows})
    noun = "decision" if len(numbers) == 1 else "decisions"
    return replace(choice, skipped=f"already {_DONE[action]} ({noun} {', '.join(map(str, numbers))})")


def _candidate(session: DatabaseSession, choice: Choice, rows: Sequence[Any], place: int) -> Candidate:
    queued = waiting(session, digests=[choice.digest])
    if queued:
        found = queued[0].candidates
    else:
        known = episodes_of(session, {each["episode_id"] for each in rows[0].candidates})
        found = candidates_of(rows[0].candidates, known)
    if place > len(found) or found[place - 1].episode is None:
        raise UsageError(
            f"key {choice.name} has no candidate {place}; expected 1 to {len(found)}, or --episode"
            if found
            else f"key {choice.name} has no candidates; expected --episode"
        )
    return found[place - 1]


def _of_series(session: DatabaseSession, wanted: Wanted) -> list[Choice]:
    queued = waiting(session, series=wanted.series, platform=wanted.platform)
    spellings = _spellings(session, [each.digest for each in queued])
    choices = []
    for each in queued:
        rows = spellings[each.digest]
        title = _title(rows[0])
        keys = tuple(row.key_id for row in rows)
        if wanted.action == "reject":
            choices.append(Choice(each.digest, each.name, title, keys))
            continue
        best = each.candidates[0] if each.candidates else None
        others = {
            max(row.candidates, key=lambda one: one["score"])["episode_id"] if row.candidates else None
            for row in rows
            if row.key_id in each.keys
        }
        reason = None
        if best is None or best.episode is None:
            reason = "it has no candidate"
        elif not best.episode.active:
            reason = "its best candidate is inactive"
        elif each.accepted_before is None and len(others) > 1:
            reason = "its spellings have different best candidates"
        elif best.score < wanted.min_score:
            reason = f"its best score is {best.score:g}, below {wanted.min_score:g}"
        elif best.margin < wanted.min_margin:
            reason = f"its best candidate is {best.margin:g} ahead, less than {wanted.min_margin:g}"
        if reason is not None or best is None:
            choices.append(Choice(each.digest, each.name, title, keys, skipped=reason))
        else:
            choices.append(Choice(each.digest, each.name, title, keys, best.episode, best.score))
    return choices


def _spellings(session: DatabaseSession, digests: Sequence[bytes]) -> dict[bytes, list[Any]]:
    found: dict[bytes, list[Any]] = {}
    for row in session.rows(
        "SELECT k.review_digest, k.key_id, k.series, COALESCE(k.content_name, k.content_name_2) AS title, k.content_id,"
        " m.candidates FROM viewership.keys k JOIN viewership.matches m USING (key_id)"
        " WHERE k.review_digest = ANY (CAST(:digests AS bytea[])) ORDER BY k.key_id",
        digests=list(digests),
    ):
        found.setdefault(bytes(row.review_digest), []).append(row)
    return found


def _title(row: Any) -> str:
    return ": ".join(filter(None, (row.series, row.title or row.content_id))) or "(no title)"


def planned(session: DatabaseSession, action: Action, choices: Sequence[Choice]) -> Plan:
    """Return the decisions of a command with their scopes: one per episode.

    Args:
        session: a transaction.
        action: accept, alias or reject.
        choices: the keys.
    """
    groups: dict[int | None, list[Choice]] = {}
    for choice in choices:
        if choice.skipped is None:
            groups.setdefault(choice.episode.episode_id if choice.episode else None, []).append(choice)
    made = []
    for episode, members in groups.items():
        keys = [key for choice in members for key in choice.keys]
        made.append(Group(episode, tuple(members), preview(session, action, keys, episode)))
    every = [key for group in made for key in group.keys]
    whole = preview(session, "reject", every, None)
    # An upload with rows of several keys counts once.
    scope = Scope(
        whole.units,
        whole.hours,
        whole.revenue,
        whole.uploads,
        whole.held,
        sum(group.scope.loads for group in made),
        sum(group.scope.removes for group in made),
        _state(made),
    )
    skipped = tuple(choice for choice in choices if choice.skipped is not None)
    return Plan(tuple(made), skipped, scope)


def _state(groups: Sequence[Group]) -> str:
    text = ",".join(sorted(f"{group.episode_id}:{group.scope.state}" for group in groups))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
