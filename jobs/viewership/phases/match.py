"""Match: the episode of every key of an upload, written to a table of its own, each bucket in a savepoint."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.catalog.versions import pin
from jobs.viewership.errors import NotReady
from jobs.viewership.matching.matcher import match_keys
from jobs.viewership.matching.model import BUCKETS, Bucket, reason
from jobs.viewership.matching.prepare import MatchKey
from jobs.viewership.model import exact_sum
from jobs.viewership.phases.log import log
from jobs.viewership.phases.result import PhaseResult
from jobs.viewership.tables.fates import analyze, file_sums, lock_final, sync
from jobs.viewership.tables.locks import phase_transaction
from jobs.viewership.tables.matches import keys_of, write_matches
from jobs.viewership.tables.uploads import hold, update
from shared.collector import no_collection
from shared.threads import frequent_switches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.viewership.matching.cascade import Step
    from jobs.viewership.matching.model import Candidate, Match
    from jobs.viewership.tables.matches import MatchRow, OpenKey
    from shared.database.session import DatabaseSession
    from shared.settings.database import DatabaseSettings

__all__ = ["DEFAULT_RULES", "Matched", "match", "match_and_write"]

DEFAULT_RULES: Final = "standard-1"


@dataclass(frozen=True, slots=True)
class Matched:
    """The result of :func:`match_and_write`.

    Attributes:
        changed: numbers of the keys whose match changed.
        steps: keys, matches and seconds of each step of the cascade.
        failed: names of steps that failed; the matches of the others are kept.
        seconds: time of the matching.
    """

    changed: list[int]
    steps: tuple[Step, ...]
    failed: tuple[str, ...]
    seconds: float


def match(settings: DatabaseSettings, upload_id: int, run_id: str, *, by: str) -> PhaseResult | None:
    """Match the keys of an upload that have no match yet; None if the upload does not wait for this.

    Keys of a bucket that failed have no match and are matched again by the next run; the upload is then partial.

    Args:
        settings: where the database is.
        upload_id: the upload.
        run_id: the run.
        by: user who runs the command.

    Raises:
        NotReady: ``NO_CATALOG``: the catalogue has no episode.
    """
    began = time.monotonic()
    with phase_transaction(settings) as session:
        pin(session, by)
        if not session.rows("SELECT FROM catalog.episodes LIMIT 1"):
            raise NotReady(
                "the catalogue has no episode, so no row can be matched; expected at least one; import a file of "
                "episodes (ref_id, series, season, episode, title) with `telecine viewership catalog import FILE`, "
                "then run `telecine viewership run`: the upload is already stored",
                code="NO_CATALOG",
            )
        upload = hold(session, upload_id)
        if upload.status not in ("normalized", "partial") or upload.platform is None:
            return None
        keys = keys_of(session, [upload_id])
        matched = match_and_write(session, keys, run_id=run_id, platforms=[upload.platform])
        # Other uploads may have rows with these keys.
        sync(session, "key", matched.changed, actor=by, reason=f"run {run_id}")
        update(session, upload_id, status="matched", code="BUCKET_FAILED" if matched.failed else None)
        found = session.rows(
            """
            SELECT COALESCE(m.status, 'topline') AS status, m.bucket, count(*) AS units,
                COALESCE(sum(r.tot_hov), 0) AS hours, COALESCE(sum(r.revenue), 0) AS revenue
            FROM viewership.platform_viewership r LEFT JOIN viewership.matches m USING (key_id)
            WHERE r.upload_id = :id GROUP BY 1, 2 ORDER BY 1, 2
            """,
            id=upload_id,
        )
        expected = file_sums(session, upload_id)
        seconds = time.monotonic() - began
        _log_steps(session, matched, upload_id, upload.platform, run_id=run_id, seconds=seconds, keys=len(keys))
    analyze(settings, len(matched.changed))
    units = {status: sum(row.units for row in found if row.status == status) for status in _STATUSES}
    return PhaseResult(
        upload_id=upload_id,
        filename=upload.filename,
        platform=upload.platform,
        expected=expected,
        actual=(
            sum(row.units for row in found),
            exact_sum(row.hours for row in found),
            exact_sum(row.revenue for row in found),
        ),
        seconds=seconds,
        status="matched",
        counts={"keys": len(keys), "matched": units["matched"], "failed_buckets": len(matched.failed)},
        notes=tuple(f"{name} failed; the matches of the other buckets are kept" for name in matched.failed),
        detail={
            "buckets": [(row.status, row.bucket, row.units, row.hours, row.revenue) for row in found],
            "steps": [(step.name, step.keys, step.found, step.seconds, step.error) for step in matched.steps],
            "failed": list(matched.failed),
        },
    )


_STATUSES: Final = ("matched", "review", "unmatched", "rejected", "topline")


def match_and_write(
    session: DatabaseSession,
    keys: Sequence[OpenKey],
    *,
    run_id: str,
    platforms: Sequence[str],
    rules: str = DEFAULT_RULES,
    again: bool = False,
) -> Matched:
    """Match keys and write the changed matches. The caller updates the final rows.

    Args:
        session: the transaction, in which the catalogue is pinned.
        keys: distinct keys.
        run_id: the run.
        platforms: platforms of the keys; their matches and final rows are locked until the end of the transaction.
        rules: name of the rules.
        again: the keys have matches; a match from a bucket after a failed one does not replace them.
    """
    began = time.monotonic()
    if not keys:
        lock_final(session, platforms)
        return Matched([], (), (), 0.0)
    with no_collection(), frequent_switches():
        found = match_keys(session, [MatchKey(*key) for key in keys], rules=rules)
        lock_final(session, platforms)
        kept = [
            each
            for each in found.matches
            # A key that a failed bucket could not look up is left unchanged.
            if not (found.failed and ("BUCKET_FAILED" in each.reasons or (again and _is_after(each, found.failed))))
        ]
        rows = (_row(each, found.rules, found.catalog_version, run_id) for each in kept)
        changed = write_matches(session, [each.key for each in kept], rows)
    return Matched(changed, found.steps, found.failed, time.monotonic() - began)


# Few combinations of reasons are shared by all keys.
@lru_cache(maxsize=4096)
def _reasons(codes: tuple[str, ...]) -> str:
    return json.dumps([reason(code) for code in codes])


def _candidate(found: Candidate) -> str:
    """Return a candidate as JSON; the encoder of :mod:`json` takes a fourth of the time of all matches."""
    ref = "null" if found.ref_id is None else encode_basestring(found.ref_id)
    score, found_by = float(round(found.score, 2)), _codes(found.found_by)
    return f'{{"episode_id": {found.episode_id}, "ref_id": {ref}, "score": {score!r}, "found_by": {found_by}}}'


@lru_cache(maxsize=4096)
def _codes(codes: tuple[str, ...]) -> str:
    return json.dumps(codes)


def _is_after(found: Match, failed: Sequence[str]) -> bool:
    """Return whether a match comes from a bucket after one that failed, which might have found another episode."""
    order = [Bucket.ALIAS, *BUCKETS]
    return found.bucket not in order[: min(order.index(Bucket(name)) for name in failed)]


def _row(found: Match, rules: str, version: int, run_id: str) -> MatchRow:
    return {
        "key_id": found.key,
        "status": found.decision.value,
        "bucket": found.bucket.value if found.bucket is not None and found.episode_id is not None else None,
        "episode_id": found.episode_id,
        "confidence": found.confidence if found.episode_id is not None else None,
        "candidates": f"[{', '.join([_candidate(each) for each in found.candidates])}]",
        "margin": round(found.margin, 2),
        "reasons": _reasons(found.reasons),
        "rule_version": rules,
        "catalogue_version": version,
        "pipeline_run_id": run_id,
    }


def _log_steps(
    session: DatabaseSession,
    matched: Matched,
    upload_id: int,
    platform: str,
    *,
    run_id: str,
    seconds: float,
    keys: int,
) -> None:
    values: dict[str, Any] = {"run_id": run_id, "upload_id": upload_id, "platform": platform}
    for step in matched.steps:
        status = "failed" if step.error else "success"
        log(
            session,
            f"match {step.name}",
            status,
            seconds=step.seconds,
            rows=step.found,
            message=step.error,
            **values,
        )
    log(session, "match", "partial" if matched.failed else "success", seconds=seconds, rows=keys, **values)
