"""Decisions of reviewers: made and undone by the functions of viewership, which load and unload the rows."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal

from jobs.console.errors import Refused
from jobs.console.tables import audit
from jobs.console.tables.viewership.waiting import forget, remember
from shared.errors import TelecineError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from jobs.console.model import Principal
    from jobs.console.tables.database import Database
    from shared.database.session import DatabaseSession

__all__ = [
    "COLUMNS",
    "SOURCE",
    "SQLSTATES",
    "Action",
    "Done",
    "Scope",
    "Wanted",
    "decide",
    "decided",
    "deciding",
    "keys_of",
    "latest_of",
    "preview",
    "undo",
]

Action = Literal["accept", "alias", "reject"]

# SQLSTATE of the functions (docs/review.md) -> HTTP status, code, and what to do next.
SQLSTATES: Final[dict[str, tuple[int, str, str]]] = {
    "TC001": (422, "bad_decision", "correct it and decide again"),
    "TC002": (404, "key_missing", "open the queue again"),
    "TC003": (422, "episode_missing", "choose another episode"),
    "TC004": (404, "decision_missing", "open the history again"),
    "TC005": (409, "decision_undone", "open the history again"),
    "TC006": (409, "review_changed", "check the current card and decide again"),
    "TC007": (503, "wrong_isolation", "an operator must reset default_transaction_isolation"),
    "TC008": (503, "busy", "try again in a minute"),
}
_RETRY_S: Final = "15"
# The functions wait 10 s for a lock themselves and say so; the statement timeout of pages would cut that off.
_TIMEOUT_S: Final = 15
# Serialization failure, deadlock, lock timeout, statement timeout.
_BUSY: Final = ("40001", "40P01", "55P03", "57014")


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows that a decision affects.

    Attributes:
        rows: rows of the key.
        hours: their hours.
        uploads: uploads that have them.
        held: rows among them that wait for a deal, channel or territory as well.
        loads: rows that would be added to the final table.
        removes: rows that would be removed from it.
    """

    rows: int
    hours: Decimal
    uploads: int
    held: int
    loads: int
    removes: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A decision on one key.

    Attributes:
        action: ``accept``, ``alias`` or ``reject``.
        digest: the key.
        episode: the episode; None to reject.
        note: why; required to reject.
        seen: the state that the reviewer saw.
    """

    action: Action
    digest: bytes
    episode: int | None
    note: str | None
    seen: str


@dataclass(frozen=True, slots=True)
class Done:
    """The effect of a decision or an undo: its number, and the rows added to and removed from the final table."""

    decision: int
    loaded: int
    removed: int


@contextmanager
def deciding(database: Database) -> Iterator[DatabaseSession]:
    """Open a transaction for a decision or an undo, with time to wait for the locks of the functions.

    Raises:
        Refused: another decision was committed first, or a statement waited for too long (503); nothing was changed.
    """
    try:
        with database.write() as session:
            session.rows("SELECT set_config('statement_timeout', :timeout, true)", timeout=f"{_TIMEOUT_S}s")
            yield session
    except TransientError as error:
        if error.data.get("sqlstate") not in _BUSY:
            raise
        message = "another decision or a load holds these rows; nothing was changed; try again in a minute"
        raise _refused(HTTPStatus.SERVICE_UNAVAILABLE, message, "busy") from error


@contextmanager
def _translated(database: DatabaseSession) -> Iterator[None]:
    try:
        with database.savepoint():
            yield
    except TelecineError as error:
        known = SQLSTATES.get(str(error.data.get("sqlstate")))
        if known is None:
            raise
        status, code, following = known
        raise _refused(status, f"{error.data['said']}; {following}", code) from error


def _refused(status: int, message: str, code: str) -> Refused:
    retry = {"Retry-After": _RETRY_S} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return Refused(status, message, code=code, headers=retry)


def preview(
    database: DatabaseSession, keys: Sequence[int], episodes: Sequence[int]
) -> tuple[str, Scope, dict[int | None, Scope]]:
    """Return the state of a key, and the scope of each decision on it before it is made.

    Args:
        database: a transaction.
        keys: numbers of its spellings.
        episodes: episodes that may be chosen.

    Returns:
        The state that a decision must have seen, the scope of a rejection, and the scopes of accepting each episode;
        ``None`` stands for every episode that is not named.
    """
    sql = (
        "SELECT e.episode, p.units, p.hours, p.uploads, p.held, p.loads, p.removes, p.state"
        " FROM unnest(CAST(:episodes AS bigint[])) e (episode),"
        " viewership.preview('accept', CAST(:keys AS bigint[]), e.episode) p"
    )
    with _translated(database):
        (row,) = database.rows(sql, episodes=[None], keys=list(keys))
        named: dict[int | None, Any] = {None: row}
        # Without final rows, every episode loads the same rows and removes none.
        if row.removes and episodes:
            named |= {each.episode: each for each in database.rows(sql, episodes=list(episodes), keys=list(keys))}
    scopes = {episode: _scope(each) for episode, each in named.items()}
    every = scopes[None]
    return row.state, Scope(every.rows, every.hours, every.uploads, every.held, 0, every.removes), scopes


def _scope(row: Any) -> Scope:
    return Scope(row.units, row.hours, row.uploads, row.held, row.loads, row.removes)


def keys_of(database: DatabaseSession, digest: bytes) -> list[int]:
    """Return the numbers of a key's spellings; empty if there is no such key, or none of them is matched yet."""
    return [
        row.key_id
        for row in database.rows(
            "SELECT k.key_id FROM viewership.keys k JOIN viewership.matches m USING (key_id)"
            " WHERE k.review_digest = :digest ORDER BY k.key_id",
            digest=digest,
        )
    ]


def decide(database: DatabaseSession, principal: Principal, wanted: Wanted) -> Done:
    """Decide on one key in the caller's transaction, and record it in the audit log.

    Args:
        database: a transaction of :func:`deciding`.
        principal: who decides.
        wanted: the decision.

    Raises:
        Refused: the key does not exist, has changed since it was seen, or a value is not valid; another transaction
            held a lock for too long.
    """
    keys = keys_of(database, wanted.digest)
    if not keys:
        raise Refused(404, f"there is no key {wanted.digest.hex()}; open the queue again", code="key_missing")
    with _translated(database):
        (row,) = database.rows(
            "SELECT decision, loaded, removed FROM viewership.decide(:action, CAST(:keys AS bigint[]),"
            " CAST(:episode AS bigint), :by, CAST(:note AS text), :seen)",
            action=wanted.action,
            keys=keys,
            episode=wanted.episode,
            by=principal.name,
            note=wanted.note,
            seen=wanted.seen,
        )
    forget(database, wanted.digest)
    done = Done(row.decision, row.loaded, row.removed)
    details = {"decision": done.decision, "episode": wanted.episode, "loaded": done.loaded, "removed": done.removed}
    audit.record(database, principal, f"review_{wanted.action}", wanted.digest.hex(), details)
    return done


def undo(database: DatabaseSession, principal: Principal, decision: int) -> Done:
    """Undo a decision in the caller's transaction, and record it in the audit log.

    Args:
        database: a transaction that may write.
        principal: who undoes it.
        decision: its number.

    Raises:
        Refused: it does not exist or is already undone; another transaction held a lock for too long.
    """
    with _translated(database):
        (row,) = database.rows(
            "SELECT loaded, removed FROM viewership.undo(CAST(:decision AS bigint), :by)",
            decision=decision,
            by=principal.name,
        )
    for each in database.rows(
        "SELECT DISTINCT k.review_digest FROM viewership.decisions d JOIN viewership.keys k ON k.key_id = ANY (d.keys)"
        " WHERE d.decision_id = :decision",
        decision=decision,
    ):
        remember(database, bytes(each.review_digest))
    done = Done(decision, row.loaded, row.removed)
    audit.record(database, principal, "review_undo", str(decision), {"loaded": done.loaded, "removed": done.removed})
    return done


COLUMNS: Final = """
    d.decision_id, d.action, d.note, d.decided_by, d.decided_at, d.undone_by, d.undone_at, d.episode_id,
    (d.effects ->> 'units')::bigint AS rows, (d.effects ->> 'hours')::numeric AS hours,
    (d.effects ->> 'uploads')::bigint AS uploads, (d.effects ->> 'loaded')::bigint AS loaded,
    (d.effects ->> 'removed')::bigint AS removed, e.ref_id, k.review_digest, k.review_key[1] AS platform,
    d.previous -> 0 ->> 'rule_version' AS rule_version,
    concat_ws(': ', k.series, COALESCE(k.content_name, k.content_name_2, k.content_id)) AS title
"""
"""Columns of a decision and its effect; ``rule_version`` is that of the match it replaced."""

SOURCE: Final = """
    viewership.decisions d
    LEFT JOIN catalog.episodes e ON e.id = d.episode_id
    LEFT JOIN viewership.keys k ON k.key_id = d.keys[1]
"""
"""FROM clause of :data:`COLUMNS`."""
_DECISIONS: Final = f"SELECT {COLUMNS} FROM {SOURCE}"  # noqa: S608 - constants


def latest_of(database: DatabaseSession, name: str, most: int) -> list[Any]:
    """Return the latest decisions of a reviewer, newest first."""
    return database.rows(
        f"{_DECISIONS} WHERE d.decided_by = :name ORDER BY d.decision_id DESC LIMIT :most",
        name=name,
        most=most,
    )


def decided(database: DatabaseSession, *, decision: int | None = None, keys: Sequence[int] = ()) -> list[Any]:
    """Return one decision by its number, or the decisions on some keys, newest first; at most 20."""
    if decision is not None:
        return database.rows(f"{_DECISIONS} WHERE d.decision_id = :decision", decision=decision)
    return database.rows(
        f"{_DECISIONS} WHERE d.keys && CAST(:keys AS bigint[]) ORDER BY d.decision_id DESC LIMIT 20", keys=list(keys)
    )
