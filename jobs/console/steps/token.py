"""The commands ``console token issue``, ``list`` and ``revoke``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.console.access import tokens
from jobs.console.tables import audit
from shared.database.migrate import ready
from shared.database.session import transaction
from shared.errors import UsageError
from shared.settings.next_command import next_command
from shared.text import text_table

if TYPE_CHECKING:
    from datetime import datetime

    from jobs.console.settings import IssueSettings, RevokeSettings, TokensSettings

__all__ = ["issue", "list_tokens", "revoke"]

_ACTOR = "telecine console token"


def issue(settings: IssueSettings) -> str:
    """Store a new token and return the only message that shows it."""
    ready(settings)
    with transaction(settings) as database:
        text = tokens.issue(database, settings.name, settings.role, settings.days)
        audit.record(database, _ACTOR, "token_issued", settings.name, {"role": settings.role, "days": settings.days})
    about = f"This token of {settings.name} ({settings.role}) is shown once and is valid for {settings.days} days."
    return f"{text}\n\n{about}"


def list_tokens(settings: TokensSettings) -> str:
    """Return a table of all tokens, without the tokens themselves."""
    ready(settings)
    with transaction(settings) as database:
        found = tokens.listed(database)
    if not found:
        command = next_command("console token issue", "NAME", model=type(settings), settings=settings)
        return f"There are no tokens; issue one with: {command}"
    rows = [
        [each.name, each.role, _day(each.created_at), _day(each.expires_at), _day(each.revoked_at), _day(each.used_at)]
        for each in found
    ]
    return text_table(["name", "role", "issued", "expires", "revoked", "last session"], rows)


def revoke(settings: RevokeSettings) -> str:
    """Revoke the valid tokens of a name.

    Raises:
        UsageError: the name has none.
    """
    ready(settings)
    with transaction(settings) as database:
        revoked = tokens.revoke(database, settings.name)
        if revoked:
            audit.record(database, _ACTOR, "token_revoked", settings.name, {"tokens": revoked})
    if not revoked:
        command = next_command("console token list", model=type(settings), settings=settings)
        raise UsageError(f"'{settings.name}' has no valid token; list all with: {command}")
    return f"{revoked} token{'s' if revoked != 1 else ''} of {settings.name} revoked; the sessions ended."


def _day(value: datetime | None) -> str:
    return "" if value is None else value.strftime("%Y-%m-%d")
