"""Decide and undo: call the database functions that load and unload the rows, and convert their errors."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from jobs.viewership.errors import DecisionUndone, ReviewChanged
from shared.errors import ConfigurationError, TelecineError, TransientError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from shared.database.session import DatabaseSession

__all__ = ["LOCK_LIMIT", "SQLSTATES", "Action", "Decided", "Scope", "decide", "preview", "undo"]

Action = Literal["accept", "alias", "reject"]

LOCK_LIMIT: Final = "10s"
"""Lock timeout of the functions, as set by migration 0007."""

SQLSTATES: Final[dict[str, tuple[type[TelecineError], str]]] = {
    "TC001": (UsageError, "an argument is not valid"),
    "TC002": (UsageError, "a key does not exist or is not matched yet"),
    "TC003": (UsageError, "the episode is not in the catalogue, or is inactive"),
    "TC004": (UsageError, "the decision does not exist"),
    "TC005": (DecisionUndone, "the decision is already undone"),
    "TC006": (ReviewChanged, "a key has changed since it was shown"),
    "TC007": (ConfigurationError, "the transaction is not read committed"),
    "TC008": (TransientError, "another transaction, such as a load, held a lock for more than 10 s; try again"),
}
"""SQLSTATE of the functions -> our error, and its meaning."""
# The end of an error's message: what to do next.
_NEXT: Final = {
    "TC004": "; expected one listed by `telecine viewership review show KEY`",
    "TC005": "; expected a decision that still applies, listed by `telecine viewership review show KEY`",
    "TC006": "; run: telecine viewership review show KEY",
}


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows that a decision affects.

    Attributes:
        units: rows of the keys.
        hours: their hours.
        revenue: their revenue.
        uploads: uploads that have them.
        held: rows among them that wait for a deal, channel or territory as well.
        loads: rows that would be added to the final table.
        removes: rows that would be removed from it.
        state: hash of the keys' current state, to detect a change.
    """

    units: int
    hours: Decimal
    revenue: Decimal
    uploads: int
    held: int
    loads: int
    removes: int
    state: str


@dataclass(frozen=True, slots=True)
class Decided:
    """The effect of a decision or of its undo.

    Attributes:
        decision: its number.
        loaded: rows that were added to the final table.
        removed: rows that were removed from it.
    """

    decision: int
    loaded: int
    removed: int


@contextmanager
def _translated(session: DatabaseSession) -> Iterator[None]:
    try:
        with session.savepoint():
            yield
    except TelecineError as error:
        state = str(error.data.get("sqlstate"))
        if state not in SQLSTATES:
            raise
        kind, _ = SQLSTATES[state]
        raise kind(f"{error.data['said']}{_NEXT.get(state, '')}", sqlstate=state) from error


def preview(session: DatabaseSession, action: Action, keys: Sequence[int], episode: int | None) -> Scope:
    """Return the effect of a decision without making it.

    Args:
        session: a transaction.
        action: ``accept``, ``alias`` or ``reject``.
        keys: numbers of keys; each stands for all keys with the same review key.
        episode: the episode; None to reject.
    """
    with _translated(session):
        row = session.rows(
            "SELECT units, hours, revenue, uploads, held, loads, removes, state FROM viewership.preview("
            ":action, CAST(:keys AS bigint[]), CAST(:episode AS bigint))",
            action=action,
            keys=list(keys),
            episode=episode,
        )[0]
    return Scope(*row)


def decide(
    session: DatabaseSession,
    action: Action,
    keys: Sequence[int],
    episode: int | None,
    *,
    by: str,
    note: str | None = None,
    seen: str | None = None,
) -> Decided:
    """Decide on keys, and load and unload their rows.

    Args:
        session: a transaction.
        action: ``accept``, ``alias`` or ``reject``.
        keys: numbers of keys; each stands for all keys with the same review key.
        episode: the episode; None to reject.
        by: who decides.
        note: why; required to reject.
        seen: ``state`` of the scope that the reviewer saw; None skips the comparison.

    Raises:
        ReviewChanged: the keys are not in the state ``seen``.
        TransientError: another transaction held a lock for more than 10 s.
        UsageError: a key or the episode does not exist, or an argument is not valid.
    """
    with _translated(session):
        row = session.rows(
            "SELECT decision, loaded, removed FROM viewership.decide(:action, CAST(:keys AS bigint[]),"
            " CAST(:episode AS bigint), :by, CAST(:note AS text), CAST(:seen AS text))",
            action=action,
            keys=list(keys),
            episode=episode,
            by=by,
            note=note,
            seen=seen,
        )[0]
    return Decided(*row)


def undo(session: DatabaseSession, decision: int, *, by: str) -> Decided:
    """Undo a decision: restore matches, aliases and final rows to their state before it.

    Keys that a later decision changed keep that decision; its undo then skips this one.

    Args:
        session: a transaction.
        decision: its number.
        by: who undoes it.

    Raises:
        DecisionUndone: it is already undone; the message says by whom and when.
        TransientError: another transaction held a lock for more than 10 s.
        UsageError: the decision does not exist.
    """
    with _translated(session):
        row = session.rows("SELECT loaded, removed FROM viewership.undo(:decision, :by)", decision=decision, by=by)[0]
    return Decided(decision, row.loaded, row.removed)
