"""The audit log: one row per user action."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shared.text import clean_data, clean_text

if TYPE_CHECKING:
    from jobs.console.model import Principal
    from shared.database.session import DatabaseSession

__all__ = ["record"]


def record(
    database: DatabaseSession,
    principal: Principal | str,
    action: str,
    subject: str = "",
    details: dict[str, Any] | None = None,
) -> None:
    """Write one row in the caller's transaction, so that it is stored if and only if the action is.

    Args:
        database: the transaction of the action.
        principal: the user; a plain name if there is no login, as for commands.
        action: a word, such as ``login``.
        subject: the object of the action, such as a token's name.
        details: additional data, without secrets.
    """
    name = principal if isinstance(principal, str) else principal.name
    role = None if isinstance(principal, str) else principal.role.word
    database.run(
        "INSERT INTO console.audit (actor, role, action, subject, details)"
        " VALUES (:actor, :role, :action, :subject, CAST(:details AS jsonb))",
        actor=clean_text(name, 128),
        role=role,
        action=action,
        subject=clean_text(subject, 1024),
        details=json.dumps(clean_data(details or {})),
    )
