"""The review commands: list and show waiting keys, decide on them, undo, and export the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from jobs.viewership.catalog.versions import lock
from jobs.viewership.errors import ReviewChanged
from jobs.viewership.model import plain
from jobs.viewership.review.choose import Plan, Wanted, chosen, planned
from jobs.viewership.review.decisions import LOCK_LIMIT, decide, undo
from jobs.viewership.review.detail import candidate_shown, decisions_shown, detail, episode_shown, moment, undone_keys
from jobs.viewership.review.documents import (
    ChosenKey,
    DecisionMade,
    Queue,
    QueueKey,
    ScopeShown,
    SkippedKey,
    Sums,
    UndoneKey,
    UndoShown,
)
from jobs.viewership.review.export import as_csv, as_workbook
from jobs.viewership.review.names import find_key
from jobs.viewership.review.queue import near_series, platform_form, total, waiting
from jobs.viewership.settings.review import (
    ReviewAcceptSettings,
    ReviewAliasSettings,
    ReviewListSettings,
    ReviewRejectSettings,
    ReviewShowSettings,
    ReviewUndoSettings,
)
from jobs.viewership.steps._platforms import check_platforms, shipped_platforms
from jobs.viewership.steps._review_text import decision_text, key_text, no_key_text, queue_text, undo_text
from jobs.viewership.tables.locks import limit_waits
from shared.database.migrate import ready
from shared.database.session import retry_session, transaction
from shared.errors import UsageError
from shared.report.terminal import counted
from shared.settings.next_command import next_command
from shared.storage import put_uri
from shared.text import as_json, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel

    from jobs.viewership.review.decisions import Action
    from jobs.viewership.review.queue import Waiting
    from jobs.viewership.settings.review import ReviewExportSettings
    from shared.database.session import DatabaseSession
    from shared.settings import Settings

__all__ = ["accept", "alias", "export_queue", "list_keys", "reject", "show_key", "undo_decisions"]

S = TypeVar("S", bound="Settings")
# A decision retries for this long after a restart of the database, a deadlock or a lock timeout.
_RETRY_S: Final = 30.0
_SHOWN_COMMANDS: Final = 3


def list_keys(settings: ReviewListSettings) -> str:
    """Return the keys that wait, most hours first.

    Raises:
        UsageError: the platform is unknown.
    """
    ready(settings)
    with transaction(settings) as session:
        _check_platform(session, settings.platform)
        keys = waiting(
            session,
            platform=settings.platform,
            series=settings.series,
            status=settings.status,
            limit=settings.limit,
        )
        sums = total(session, platform=settings.platform, series=settings.series, status=settings.status)
        near = _near(session, settings) if not keys else []
    shown = Queue(
        total=Sums(keys=sums.keys, rows=sums.rows, hours=plain(sums.hours), revenue=plain(sums.revenue)),
        keys=[_queued(key) for key in keys],
    )
    return _json(shown) if settings.json_ else queue_text(shown, series=settings.series, near=near)


def _near(session: DatabaseSession, settings: ReviewListSettings | ReviewExportSettings) -> list[str]:
    """Return series of waiting keys with names close to the one that was asked for."""
    if settings.series is None:
        return []
    return near_series(session, settings.series, platform=settings.platform, status=settings.status)


def _check_platform(session: DatabaseSession, platform: str | None) -> None:
    if platform is not None:
        check_platforms(session, [platform_form(platform)], also=shipped_platforms())


def _queued(key: Waiting) -> QueueKey:
    fields = {
        "title": key.title,
        "title_2": key.title_2,
        "series": key.series,
        "season": key.season,
        "episode": key.episode,
        "content_id": key.content_id,
    }
    return QueueKey(
        key=key.name,
        digest=key.digest.hex(),
        platform=key.platform,
        status="review" if key.status == "review" else "unmatched",
        **fields,
        rows=key.rows,
        held=key.held,
        uploads=key.uploads,
        hours=plain(key.hours),
        revenue=plain(key.revenue),
        reasons=list(key.reasons),
        accepted_before=key.accepted_before,
        waiting_since=moment(key.since),
        best=candidate_shown(1, key.candidates[0], fields) if key.candidates else None,
    )


def show_key(settings: ReviewShowSettings) -> str:
    """Return everything about a key, and the next commands.

    Raises:
        UsageError: no key or several keys match.
    """
    ready(settings)

    typed = _without(settings, "json_")

    def commands(name: str, candidates: int) -> list[str]:
        found = []
        for place in range(1, min(candidates, _SHOWN_COMMANDS) + 1):
            words = (name, "--candidate", str(place))
            found.append(next_command("viewership review accept", *words, model=ReviewAcceptSettings, settings=typed))
            found.append(next_command("viewership review alias", *words, model=ReviewAliasSettings, settings=typed))
        if not candidates:
            words = (name, "--episode", "REF")
            found.append(next_command("viewership review accept", *words, model=ReviewAcceptSettings, settings=typed))
        words = (name, "--reason", "TEXT")
        found.append(next_command("viewership review reject", *words, model=ReviewRejectSettings, settings=typed))
        return found

    with transaction(settings) as session:
        shown = detail(session, find_key(session, settings.key), commands)
    return _json(shown) if settings.json_ else key_text(shown)


def accept(settings: ReviewAcceptSettings) -> str:
    """Accept an episode for the rows of keys that wait, or show what that would change."""
    return _decided(settings, _picked(settings, "accept"))


def alias(settings: ReviewAliasSettings) -> str:
    """Accept an episode for the rows of keys, also in later uploads, or show what that would change."""
    return _decided(settings, _picked(settings, "alias"))


def reject(settings: ReviewRejectSettings) -> str:
    """Leave the rows of keys unmatched, or show what that would change."""
    return _decided(settings, Wanted("reject", settings.keys, settings.series, settings.platform))


def _picked(settings: ReviewAcceptSettings | ReviewAliasSettings, action: Action) -> Wanted:
    return Wanted(
        action,
        names=settings.keys,
        series=settings.series,
        platform=settings.platform,
        episode=settings.episode,
        candidate=settings.candidate,
        min_score=settings.min_score,
        min_margin=settings.min_margin,
    )


def _decided(settings: ReviewAcceptSettings | ReviewAliasSettings | ReviewRejectSettings, wanted: Wanted) -> str:
    """Decide in one transaction, one decision per episode, or show what that would change.

    Raises:
        ReviewChanged: the keys have changed since ``--seen``.
        UsageError: a key or an episode does not exist, or flags contradict each other.
    """
    ready(settings)
    action = wanted.action

    def work(session: DatabaseSession) -> tuple[Plan, list[int], tuple[int, int]]:
        plan = planned(session, action, chosen(session, wanted))
        if settings.seen is not None and settings.seen != plan.scope.state:
            raise ReviewChanged(
                "the keys have changed since they were shown; expected a decision on their current state; run:"
                f" {_command(settings, action)}"
            )
        if settings.yes and len(plan.groups) > 1:
            # Locks in the usual order: the catalogue, then final rows. Several decisions would take them alternately.
            _lock_catalogue(session)
        made = []
        loaded = removed = 0
        for group in plan.groups if settings.yes else ():
            done = decide(
                session,
                action,
                group.keys,
                group.episode_id,
                by=settings.by,
                note=settings.reason,
                seen=group.scope.state,
            )
            made.append(done.decision)
            loaded, removed = loaded + done.loaded, removed + done.removed
        return plan, made, (loaded, removed)

    plan, made, effect = retry_session(settings, work, _RETRY_S, waiting="the review")
    scope = plan.scope
    loads, removes = effect if settings.yes else (scope.loads, scope.removes)
    command: str | None = None
    if made:
        numbers = [str(number) for number in made]
        typed = _without(settings, "json_")
        command = next_command("viewership review undo", *numbers, "--yes", model=ReviewUndoSettings, settings=typed)
    elif plan.groups:
        command = _command(settings, action, "--seen", scope.state, "--yes")
    shown = DecisionMade(
        action=action,
        done=bool(made),
        state=scope.state,
        scope=ScopeShown(
            rows=scope.units,
            hours=plain(scope.hours),
            revenue=plain(scope.revenue),
            uploads=scope.uploads,
            held=scope.held,
            loads=loads,
            removes=removes,
        ),
        keys=[
            ChosenKey(key=each.name, title=each.title, episode=episode_shown(each.episode), score=each.score)
            for group in plan.groups
            for each in group.choices
        ],
        skipped=[SkippedKey(key=each.name, title=each.title, why=each.skipped or "") for each in plan.skipped],
        decisions=made,
        command=command,
    )
    return _json(shown) if settings.json_ else decision_text(shown, settings.by)


def _lock_catalogue(session: DatabaseSession) -> None:
    limit_waits(session, LOCK_LIMIT)
    lock(session)


def _command(settings: Settings, action: Action, *words: str) -> str:
    """Return the command of a decision on the same keys with the same flags, plus further words."""
    keys = tuple(getattr(settings, "keys"))  # noqa: B009 - only settings of decisions come here
    typed = _without(settings, "seen", "yes", "json_")
    return next_command(f"viewership review {action}", *keys, *words, model=type(settings), settings=typed)


def _without(settings: S, *names: str) -> S:
    """Return settings as if the flags of these fields had not been typed."""
    return settings.model_copy().with_typed(
        {name: value or "" for name, value in settings.typed.items() if name not in names}
    )


def undo_decisions(settings: ReviewUndoSettings) -> str:
    """Undo decisions, the latest first, or show what that would change.

    Raises:
        DecisionUndone: one is already undone.
        UsageError: a decision does not exist.
    """
    if not settings.decisions:
        raise UsageError("no decision was passed; expected numbers listed by `telecine viewership review show KEY`")
    ready(settings)
    numbers = sorted(set(settings.decisions), reverse=True)

    def work(session: DatabaseSession) -> UndoShown:
        if len(numbers) > 1:
            _lock_catalogue(session)
        before = _decisions(session, numbers)
        _check_decisions(session, numbers, before)
        loaded = removed = 0
        keys: list[UndoneKey] = []
        for number in numbers:
            keys += undone_keys(session, number)
            done = undo(session, number, by=settings.by)
            loaded, removed = loaded + done.loaded, removed + done.removed
        if not settings.yes:
            words = [str(number) for number in settings.decisions]
            command = next_command(
                "viewership review undo",
                *words,
                "--yes",
                model=ReviewUndoSettings,
                settings=_without(settings, "json_"),
            )
            raise _Shown(
                UndoShown(
                    done=False,
                    decisions=decisions_shown(session, before),
                    keys=keys,
                    loads=loaded,
                    removes=removed,
                    command=command,
                )
            )
        return UndoShown(
            done=True,
            decisions=decisions_shown(session, _decisions(session, numbers)),
            keys=keys,
            loads=loaded,
            removes=removed,
            command=None,
        )

    try:
        shown = retry_session(settings, work, _RETRY_S, waiting="the review")
    except _Shown as rolled_back:
        shown = rolled_back.document
    return _json(shown) if settings.json_ else undo_text(shown)


class _Shown(Exception):
    def __init__(self, document: UndoShown) -> None:
        super().__init__()
        self.document = document


def _check_decisions(session: DatabaseSession, numbers: Sequence[int], found: Sequence[Any]) -> None:
    missing = sorted(set(numbers) - {row.decision_id for row in found})
    if missing:
        last = session.rows("SELECT max(decision_id) FROM viewership.decisions")[0][0]
        expected = f"a number up to {last}, as listed by" if last else "a decision first; see"
        raise UsageError(
            f"decision {missing[0]} does not exist; expected {expected} `telecine viewership review show KEY`"
        )


def _decisions(session: DatabaseSession, numbers: Sequence[int]) -> list[Any]:
    return session.rows(
        "SELECT * FROM viewership.decisions WHERE decision_id = ANY (CAST(:numbers AS bigint[]))"
        " ORDER BY decision_id DESC",
        numbers=list(numbers),
    )


def export_queue(settings: ReviewExportSettings) -> str:
    """Write the waiting keys to a file, and return its location.

    Raises:
        UsageError: the platform is unknown, or the place does not name a file.
    """
    ready(settings)
    with transaction(settings) as session:
        _check_platform(session, settings.platform)
        keys = waiting(session, platform=settings.platform, series=settings.series, status=settings.status)
        near = _near(session, settings) if not keys else []
    body = as_csv(keys) if settings.file.lower().endswith(".csv") else as_workbook(keys)
    try:
        info = put_uri(settings.file, body, settings)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if settings.json_:
        return as_json({"file": settings.file, "keys": len(keys), "bytes": info.size}, indent=2)
    # A file name can contain escape sequences.
    written = f"{one_line(settings.file)}: {counted(len(keys), 'key', 'keys')}"
    return written if keys or settings.series is None else f"{written}; {no_key_text(settings.series, near)}"


def _json(document: BaseModel) -> str:
    return as_json(document.model_dump(mode="json"), indent=2)
