"""Resolve deals, channels and territories again, and compare them with the stored scopes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.audit.model import Check, Finding
from jobs.viewership.phases.normalize import Resolver, Scope
from jobs.viewership.tables.keys import scope_digest
from shared.text import brief

if TYPE_CHECKING:
    from jobs.viewership.audit.model import Scope as Covered
    from shared.database.session import DatabaseSession

__all__ = ["check_scopes"]

_RESOLVED: Final = (
    *("deal_id", "deal_parent", "partner", "channel", "channel_id", "territory", "territory_id", "code", "reasons"),
)


def check_scopes(session: DatabaseSession, covered: Covered) -> Check:
    """Compare the digest of each scope, and what normalization found for it.

    A scope resolved before the deals, channels or territories changed is stale, not wrong.
    """
    rows = session.rows(
        f"""
        -- Read once: scopes have no index over the rows.
        WITH due AS MATERIALIZED (
            SELECT DISTINCT r.scope_id FROM viewership.platform_viewership r JOIN viewership.uploads u USING (upload_id)
            WHERE u.status IN ('normalized', 'matched', 'loaded', 'partial')
        )
        SELECT s.scope_id, s.platform, s.domain, s.platform_partner_name, s.platform_channel_name,
            s.platform_territory, s.date, s.digest, s.catalogue_version, {", ".join(f"s.{name}" for name in _RESOLVED)},
            EXISTS (SELECT FROM catalog.changes c WHERE c.version > COALESCE(s.catalogue_version, 0)
                AND c.kind IN ('deal', 'channel', 'territory')) AS changed,
            due.scope_id IS NOT NULL AS due
        FROM viewership.scopes s LEFT JOIN due USING (scope_id)
        WHERE :whole OR s.scope_id IN
            (SELECT r.scope_id FROM viewership.platform_viewership r WHERE r.upload_id = ANY (:ids))
        ORDER BY s.scope_id
        """,  # noqa: S608
        whole=covered.whole,
        ids=list(covered.uploads),
    )
    check = Check("scopes", len(rows))
    resolver = Resolver.load(session)
    for row in rows:
        names = (row.platform_partner_name, row.platform_channel_name, row.platform_territory)
        item = f"scope {row.scope_id}"
        expected = scope_digest(row.platform, row.domain, (*names, row.date))
        if bytes(row.digest) != expected:
            message = f"its digest is {bytes(row.digest).hex()}; expected {expected.hex()}"
            check.add(Finding("SCOPE", message, item=item))
        elif row.due or row.catalogue_version is not None:
            _compare(check, row, resolver.resolve(row), item)
    return check


def _compare(check: Check, row: Any, now: Scope, item: str) -> None:
    stored = Scope(**{name: getattr(row, name) for name in _RESOLVED[:-1]}, reasons=tuple(row.reasons))
    differing = [name for name in _RESOLVED if getattr(stored, name) != getattr(now, name)]
    if not differing:
        return
    name = differing[0]
    message = f"its {name} is {_shown(getattr(stored, name))}; expected {_shown(getattr(now, name))} from the deals"
    check.add(Finding("SCOPE_STALE" if row.changed else "SCOPE", message, item=item))


def _shown(value: Any) -> str:
    return "none" if value is None or value == () else brief(str(value), 200)
