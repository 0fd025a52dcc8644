"""Shadow: match stored keys by two sets of rules and report the differences, without changing anything."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jobs.viewership.audit.matches import FIELDS, match_again
from jobs.viewership.audit.shadow_document import OUTCOMES, ChangedKey, Group, MatchState, Rules, Shadow
from jobs.viewership.catalog.cells import neutralised
from jobs.viewership.catalog.versions import current_version
from jobs.viewership.matching.model import Decision
from jobs.viewership.matching.prepare import MatchKey
from jobs.viewership.model import exact_sum, plain
from shared.errors import TelecineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobs.viewership.audit.model import Scope
    from jobs.viewership.audit.shadow_document import Outcome
    from jobs.viewership.matching.model import Match, MatchRules
    from shared.database.session import DatabaseSession

__all__ = ["Compared", "compare_rules"]

_BUCKETLESS: Final = frozenset({Decision.REVIEW, Decision.UNMATCHED})


class _State(NamedTuple):
    """The part of a match that is compared and shown."""

    decision: Decision
    bucket: str | None
    episode_id: int | None
    confidence: float
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, match: Match) -> _State:
        bucket = None if match.decision in _BUCKETLESS or match.bucket is None else match.bucket.value
        return cls(match.decision, bucket, match.episode_id, match.confidence, match.reasons)


@dataclass(frozen=True, slots=True)
class Compared:
    """The comparison, and all keys whose outcome differs.

    Attributes:
        document: sums, and the keys with the most hours.
        changed: all keys whose outcome differs, most hours first.
    """

    document: Shadow
    changed: tuple[ChangedKey, ...]

    def csv(self) -> bytes:
        """Return all changed keys as CSV. Cells that a spreadsheet would read as formulas are neutralised."""
        stream = io.StringIO()
        # csv quotes a cell that contains either character of the line terminator.
        writer = csv.writer(stream, lineterminator="\r\n")
        own = [name for name in ChangedKey.model_fields if name not in ("before", "after")]
        states = [f"{side}_{name}" for side in ("before", "after") for name in MatchState.model_fields]
        writer.writerow([*own, *states])
        for each in self.changed:
            values = each.model_dump()
            cells = [values[name] for name in own]
            for side in ("before", "after"):
                cells += [" ".join(cell) if isinstance(cell, list) else cell for cell in values[side].values()]
            writer.writerow([_cell(name, cell) for name, cell in zip([*own, *states], cells, strict=True)])
        return stream.getvalue().encode()


_NUMBERS: Final = frozenset({"hours", "revenue", "final_hours"})


def _cell(name: str, value: Any) -> Any:
    # Decimal numbers are text here, and may be negative.
    return neutralised(value) if isinstance(value, str) and name not in _NUMBERS else value


def compare_rules(
    session: DatabaseSession,
    scope: Scope,
    tried: MatchRules,
    base: MatchRules,
    *,
    sample: int | None,
    top: int,
) -> Compared:
    """Match the keys of uploads by two sets of rules, and compare the results.

    Both use the current catalogue, so only the rules make a difference. Keys with a reviewer's decision are left out:
    rules do not affect them.

    Args:
        session: a transaction that will be rolled back.
        scope: the uploads.
        tried: the rules to try.
        base: the rules to compare with.
        sample: match at most this many keys; the same ones each time.
        top: number of keys to name per outcome.

    Raises:
        ConfigurationError: the catalogue has no episode.
        TelecineError: a step of the cascade failed.
    """
    ids = list(scope.uploads)
    undecided = "count(*) FILTER (WHERE m.decision_id IS NULL)"
    [[total, every]] = session.rows(f"SELECT {undecided}, count(*) {_OF}", ids=ids)
    rows = session.rows(
        f"""
        SELECT k.key_id, k.platform, {", ".join(f"k.{name}" for name in FIELDS)}, a.rows, a.hours, a.revenue,
            a.final_rows, a.final_hours, m.status, m.episode_id {_OF} WHERE m.decision_id IS NULL
        ORDER BY {"k.digest LIMIT :sample" if sample is not None else "k.key_id"}
        """,
        ids=ids,
        **({} if sample is None else {"sample": sample}),
    )
    keys = [MatchKey(row.key_id, row.platform, *(getattr(row, name) for name in FIELDS)) for row in rows]
    before, after = _states(session, keys, base), _states(session, keys, tried)
    found: list[tuple[Outcome, Any, _State, _State]] = []
    stale = 0
    for row, mine, theirs in zip(rows, before, after, strict=True):
        stale += (row.status, row.episode_id) != (mine.decision.value, mine.episode_id)
        outcome = _outcome(mine, theirs)
        if outcome is not None:
            found.append((outcome, row, mine, theirs))
    found.sort(key=lambda one: (list(OUTCOMES).index(one[0]), -one[1].hours, -one[1].rows, one[1].key_id))
    episodes = _episodes(session, (state.episode_id for one in found for state in one[2:]))
    changed = tuple(_changed(*one, episodes) for one in found)
    named: dict[str, int] = defaultdict(int)
    shown = []
    for each in changed:
        named[each.outcome] += 1
        if named[each.outcome] <= top:
            shown.append(each)
    document = Shadow(
        rules=Rules(**asdict(tried)),
        compared_with=Rules(**asdict(base)),
        catalogue_version=current_version(session),
        keys=len(rows),
        keys_total=total,
        decided=every - total,
        stale=stale,
        groups=_groups(found),
        top=shown,
    )
    return Compared(document, changed)


# Keys of the chosen uploads with the sums of their rows.
_OF: Final = """
    FROM (
        SELECT r.key_id, count(*) AS rows, COALESCE(sum(r.tot_hov), 0) AS hours, COALESCE(sum(r.revenue), 0) AS revenue,
            count(*) FILTER (WHERE ready) AS final_rows, COALESCE(sum(r.tot_hov) FILTER (WHERE ready), 0) AS final_hours
        FROM viewership.platform_viewership r
        JOIN viewership.uploads u USING (upload_id)
        JOIN viewership.scopes s USING (scope_id)
        CROSS JOIN LATERAL (SELECT s.code IS NULL AND viewership.gate(u.label, r.tot_hov, r.revenue, r.week, r.day,
            r.year, r.quarter) IS NULL AS ready) g
        WHERE r.upload_id = ANY (:ids) AND r.key_id IS NOT NULL AND u.status IN ('matched', 'loaded', 'partial')
        GROUP BY r.key_id
    ) a
    JOIN viewership.keys k USING (key_id)
    LEFT JOIN viewership.matches m USING (key_id)
"""


def _states(session: DatabaseSession, keys: Sequence[MatchKey], rules: MatchRules) -> list[_State]:
    found = []
    for match, failed in match_again(session, keys, rules):
        if failed:
            raise TelecineError(
                f"the step {failed[0]} failed, so the rules cannot be compared; see the log", code="bucket_failed"
            )
        found.append(_State.of(match))
    return found


def _outcome(before: _State, after: _State) -> Outcome | None:
    was, is_now = before.decision is Decision.MATCHED, after.decision is Decision.MATCHED
    if was and is_now:
        if before.episode_id != after.episode_id:
            return "changed"
        return "moved" if before.bucket != after.bucket else None
    if was or is_now:
        return "gained" if is_now else "lost"
    return "queued" if before.decision is not after.decision else None


def _groups(found: Iterable[tuple[Outcome, Any, _State, _State]]) -> list[Group]:
    sums: dict[tuple[Outcome, str, str | None], list[Any]] = {}
    for outcome, row, before, after in found:
        bucket = before.bucket if outcome == "lost" else after.bucket
        each = sums.setdefault((outcome, row.platform, bucket), [0, 0, Decimal(), Decimal(), 0, Decimal()])
        for place, value in enumerate((1, row.rows, row.hours, row.revenue, row.final_rows, row.final_hours)):
            each[place] = exact_sum((each[place], value)) if isinstance(value, Decimal) else each[place] + value
    order = list(OUTCOMES)
    return [
        Group(
            outcome=outcome,
            platform=platform,
            bucket=bucket,
            keys=each[0],
            rows=each[1],
            hours=plain(each[2]),
            revenue=plain(each[3]),
            final_rows=each[4],
            final_hours=plain(each[5]),
        )
        for (outcome, platform, bucket), each in sorted(
            sums.items(), key=lambda item: (order.index(item[0][0]), item[0][1], item[0][2] or "")
        )
    ]


def _episodes(session: DatabaseSession, ids: Iterable[int | None]) -> dict[int, tuple[str | None, str | None]]:
    rows = session.rows(
        "SELECT e.id, e.ref_id, t.title FROM catalog.episodes e LEFT JOIN catalog.episode_titles t"
        " ON t.episode_id = e.id AND t.main WHERE e.id = ANY (CAST(:ids AS bigint[]))",
        ids=sorted({number for number in ids if number is not None}),
    )
    return {row.id: (row.ref_id, row.title) for row in rows}


def _changed(
    outcome: Outcome, row: Any, before: _State, after: _State, episodes: dict[int, tuple[str | None, str | None]]
) -> ChangedKey:
    def state(of: _State) -> MatchState:
        ref_id, title = episodes.get(of.episode_id or 0, (None, None))
        return MatchState(
            status=of.decision.value,
            bucket=of.bucket,
            confidence=of.confidence if of.episode_id is not None else None,
            episode_id=of.episode_id,
            ref_id=ref_id,
            title=title,
            reasons=list(of.reasons),
        )

    return ChangedKey(
        outcome=outcome,
        key_id=row.key_id,
        platform=row.platform,
        **{name: getattr(row, name) for name in FIELDS},
        rows=row.rows,
        hours=plain(row.hours),
        revenue=plain(row.revenue),
        final_rows=row.final_rows,
        final_hours=plain(row.final_hours),
        before=state(before),
        after=state(after),
    )
