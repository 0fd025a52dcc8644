"""Recompute the hash of an upload's stored rows, which covers every value read from the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.viewership.audit.model import Check, Finding
from jobs.viewership.model import FIELDS
from jobs.viewership.phases.canonical import FIELD, NULL, hash_rows
from jobs.viewership.tables.rows import COLUMNS
from jobs.viewership.tables.uploads import ACTIVE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.viewership.audit.model import Scope
    from shared.database.session import DatabaseSession

__all__ = ["VALUES", "check_hashes"]

_OF_SCOPE: Final = {
    "partner": "s.platform_partner_name",
    "channel": "s.platform_channel_name",
    "territory": "s.platform_territory",
}
_OF_ROW: Final = {field: f"r.{column}" for column, field in COLUMNS.items() if field in FIELDS}
VALUES: Final = {name: (_OF_SCOPE | _OF_ROW)[name] for name in sorted(FIELDS)}
"""Field of a unit -> its column in a row `r` or its scope `s`."""

_PAGE: Final = 50_000
_FROM: Final = (
    "FROM viewership.platform_viewership r JOIN viewership.scopes s USING (scope_id) WHERE r.upload_id = :upload"
)


def check_hashes(session: DatabaseSession, scope: Scope) -> Check:
    """Compare the hash of each upload's rows with the one that was computed when they were read."""
    check = Check("values")
    uploads = session.rows(
        "SELECT upload_id, platform, label, canonical_sha256 FROM viewership.uploads"
        " WHERE upload_id = ANY (:ids) AND status = ANY (:active) ORDER BY upload_id",
        ids=list(scope.uploads),
        active=list(ACTIVE),
    )
    session.run("SET LOCAL datestyle = 'ISO'")
    for row in uploads:
        filled = session.rows(
            f"SELECT count(*), {', '.join(f'count({place})' for place in VALUES.values())} {_FROM}",
            upload=row.upload_id,
        )[0]
        used = [name for name, count in zip(VALUES, filled[1:], strict=True) if count]
        check.checked += filled[0] * len(used)
        found = hash_rows(row.platform, row.label, used, _sorted(session, row.upload_id, used))
        if found != row.canonical_sha256:
            message = f"its rows have the SHA-256 {found}; expected {row.canonical_sha256}; --reread finds the lines"
            check.add(Finding("VALUES", message, row.upload_id))
    return check


def _sorted(session: DatabaseSession, upload_id: int, used: list[str]) -> Iterator[str]:
    if not used:
        return
    joined = f" || '{FIELD}' || ".join(f"COALESCE({VALUES[name]}::text, '{NULL}')" for name in used)
    session.run(
        f'DECLARE audit_rows CURSOR FOR SELECT {joined} {_FROM} ORDER BY ({joined}) COLLATE "C"',
        upload=upload_id,
    )
    while rows := session.rows(f"FETCH {_PAGE} FROM audit_rows"):
        yield "\n".join(row[0] for row in rows)
    session.run("CLOSE audit_rows")
