"""Match stored keys again, and compare the results with the stored matches."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.audit.keys import USED_KEYS
from jobs.viewership.audit.model import Check, Finding, tell
from jobs.viewership.matching.matcher import match_keys
from jobs.viewership.matching.model import RULES, Decision
from jobs.viewership.matching.prepare import MatchKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobs.viewership.audit.model import Scope
    from jobs.viewership.matching.model import Match, MatchRules
    from shared.database.session import DatabaseSession

__all__ = ["CHUNK", "FIELDS", "check_matches", "match_again"]

FIELDS: Final = ("content_name", "content_name_2", "series", "season", "episode", "content_id")
"""Columns of viewership.keys that a match depends on, besides the platform."""

CHUNK: Final = 200_000
"""Keys matched at a time: about 1.5 GB. The catalogue is read once per batch."""

_STORED: Final = """
    SELECT k.key_id, m.key_id IS NOT NULL AS there, m.status, m.bucket, m.episode_id, m.confidence, m.margin,
        m.rule_version, m.catalogue_version, m.decision_id,
        ARRAY(SELECT c ->> 'code' FROM jsonb_array_elements(m.reasons) WITH ORDINALITY AS x (c, n)
            ORDER BY n) AS reasons,
        ARRAY(SELECT (c ->> 'episode_id')::bigint FROM jsonb_array_elements(m.candidates) WITH ORDINALITY AS x (c, n)
            ORDER BY n) AS candidates,
        EXISTS (SELECT FROM catalog.changes c WHERE c.version > m.catalogue_version
            AND c.kind IN ('series', 'episode', 'alias')) AS changed,
"""


def match_again(
    session: DatabaseSession, keys: Sequence[MatchKey], rules: str | MatchRules
) -> Iterator[tuple[Match, tuple[str, ...]]]:
    """Yield the match of each key, with the steps of the cascade that failed.

    Args:
        session: a transaction.
        keys: distinct keys.
        rules: the rules, or their name.
    """
    for start in range(0, len(keys), CHUNK):
        found = match_keys(session, keys[start : start + CHUNK], rules=rules)
        for each in found.matches:
            yield each, found.failed


def check_matches(session: DatabaseSession, scope: Scope) -> Check:
    """Compare each match with the one that the current catalogue produces, except reviewers' decisions.

    A match that differs is stale if the catalogue has changed since, or if other rules made it; else it is wrong.
    """
    check = Check("matches")
    ids = list(scope.uploads)
    stored = session.rows(
        f"{_STORED} k.platform, {', '.join(f'k.{name}' for name in FIELDS)}"
        " FROM viewership.keys k JOIN viewership.matches m USING (key_id)"
        f" WHERE m.decision_id IS NULL AND {USED_KEYS} ORDER BY k.key_id",
        whole=scope.whole,
        ids=ids,
    )
    check.checked = len(stored)
    if stored:
        keys = [MatchKey(row.key_id, row.platform, *(getattr(row, name) for name in FIELDS)) for row in stored]
        default = next(iter(RULES))
        for row, (now, failed) in zip(stored, match_again(session, keys, default), strict=True):
            if failed:
                check.add(Finding("NOT_CHECKED", f"the step {failed[0]} failed; see the log", item="matches"))
                break
            _compare(check, row, now, default)
    tell(
        session,
        check,
        "MATCH_MISSING",
        """
        SELECT r.upload_id, min(r.line) AS line, 'key ' || r.key_id AS item, count(*) AS units
        FROM viewership.platform_viewership r JOIN viewership.uploads u USING (upload_id)
        LEFT JOIN viewership.matches m USING (key_id)
        WHERE r.upload_id = ANY (:ids) AND r.key_id IS NOT NULL AND m.key_id IS NULL
            AND u.status IN ('matched', 'loaded') AND u.code IS DISTINCT FROM 'BUCKET_FAILED'
        GROUP BY r.upload_id, r.key_id
        """,
        "the key of {units} rows has no match",
        ids=ids,
    )
    return check


def _compare(check: Check, row: Any, now: Match, rules: str) -> None:
    accepted = now.decision is Decision.MATCHED
    expected = {
        "status": now.decision.value,
        "bucket": now.bucket.value if accepted and now.bucket is not None else None,
        "episode_id": now.episode_id,
        "confidence": Decimal(str(now.confidence)) if accepted else None,
        "margin": Decimal(str(round(now.margin, 2))),
        "reasons": list(now.reasons),
        "candidates": [each.episode_id for each in now.candidates],
    }
    differing = [name for name, value in expected.items() if getattr(row, name) != value]
    if not differing:
        return
    name = differing[0]
    mine, theirs = getattr(row, name), expected[name]
    other_rules = f" by rules {row.rule_version}" if row.rule_version != rules else ""
    message = f"its {name} is {_shown(mine)}{other_rules}; expected {_shown(theirs)} from the catalogue"
    stale = row.changed or bool(other_rules)
    check.add(Finding("MATCH_STALE" if stale else "MATCH", message, item=f"key {row.key_id}"))


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
