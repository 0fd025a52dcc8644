"""Compute keys and digests again from raw fields, and compare each row with its key and scope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.audit.model import Check, Finding, tell
from jobs.viewership.keys.version import KEY_VERSION
from jobs.viewership.tables.keys import KEY_COLUMNS, KEY_FIELDS, key_row
from shared.text import brief

if TYPE_CHECKING:
    from jobs.viewership.audit.model import Scope
    from shared.database.session import DatabaseSession

__all__ = ["USED_KEYS", "check_keys", "check_rows"]

# Keys held in memory at a time.
_PAGE: Final = 20_000
USED_KEYS: Final = (
    "(:whole OR k.key_id IN (SELECT r.key_id FROM viewership.platform_viewership r WHERE r.upload_id = ANY (:ids)))"
)
"""Condition for the keys `k` that an audit covers."""


def check_keys(session: DatabaseSession, scope: Scope) -> Check:
    """Compute digest, keys of title, series and content id, and review key of every key."""
    check, last = Check("keys"), 0
    names = ", ".join(f"k.{name}" for name in KEY_COLUMNS)
    while True:
        rows = session.rows(
            f"SELECT k.key_id, {names} FROM viewership.keys k"  # noqa: S608
            f" WHERE k.key_id > :last AND {USED_KEYS} ORDER BY k.key_id LIMIT {_PAGE}",
            last=last,
            whole=scope.whole,
            ids=list(scope.uploads),
        )
        for row in rows:
            _compare(check, row)
        check.checked += len(rows)
        if len(rows) < _PAGE:
            return check
        last = rows[-1].key_id


def _compare(check: Check, row: Any) -> None:
    stored = dict(zip(KEY_COLUMNS, row[1:], strict=True))
    expected = dict(zip(KEY_COLUMNS, key_row(row.platform, {name: stored[name] for name in KEY_FIELDS}), strict=True))
    wrong = [name for name in KEY_COLUMNS if name != "key_version" and _plain(stored[name]) != expected[name]]
    if not wrong and stored["key_version"] == KEY_VERSION:
        return
    # The digest covers raw fields, which no rule changes.
    older = stored["key_version"] < KEY_VERSION and "digest" not in wrong
    if wrong:
        name = wrong[0]
        message = f"{name} is {_shown(stored[name])}; expected {_shown(expected[name])}"
    else:
        message = f"its version is {stored['key_version']}; expected {KEY_VERSION}"
    check.add(Finding("KEY_STALE" if older else "KEY", message, item=f"key {row.key_id}"))


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    return _plain(value).hex() if isinstance(value, bytes | memoryview) else brief(str(value))


def check_rows(session: DatabaseSession, scope: Scope) -> Check:
    """Compare the raw fields of each row with those of its key and scope."""
    ids = list(scope.uploads)
    [[rows]] = session.rows("SELECT count(*) FROM viewership.platform_viewership WHERE upload_id = ANY (:ids)", ids=ids)
    check = Check("rows", rows)
    tell(
        session,
        check,
        "KEY_OF_ROW",
        """
        SELECT r.upload_id, r.line, 'row ' || r.id AS item, r.key_id FROM viewership.platform_viewership r
        JOIN viewership.uploads u USING (upload_id)
        JOIN viewership.keys k USING (key_id)
        WHERE r.upload_id = ANY (:ids) AND (u.platform, r.platform_content_name, r.platform_content_name_2,
                r.platform_series, r.season_number, r.episode_number, r.platform_content_id)
            IS DISTINCT FROM (k.platform, k.content_name, k.content_name_2, k.series, k.season, k.episode, k.content_id)
        """,
        "its platform, title, series, season, episode or content id differs from that of its key {key_id}",
        ids=ids,
    )
    # Channel totals have no key; a file has either totals or rows of content.
    tell(
        session,
        check,
        "KEY_OF_ROW",
        """
        SELECT r.upload_id, r.line, 'row ' || r.id AS item FROM viewership.platform_viewership r
        WHERE r.upload_id = ANY (:ids) AND r.key_id IS NULL AND EXISTS (
            SELECT FROM viewership.platform_viewership o WHERE o.upload_id = r.upload_id AND o.key_id IS NOT NULL)
        """,
        "it has no key, although other rows of the upload have one",
        ids=ids,
    )
    tell(
        session,
        check,
        "SCOPE_OF_ROW",
        """
        SELECT r.upload_id, r.line, 'row ' || r.id AS item, r.scope_id FROM viewership.platform_viewership r
        JOIN viewership.uploads u USING (upload_id)
        JOIN viewership.scopes s USING (scope_id)
        WHERE r.upload_id = ANY (:ids)
            AND (u.platform, u.domain, r.date) IS DISTINCT FROM (s.platform, s.domain, s.date)
        """,
        "its platform, domain or day differs from that of its scope {scope_id}",
        ids=ids,
    )
    return check
