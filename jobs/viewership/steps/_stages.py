"""Run a phase over uploads, and report expected and actual sums."""

from __future__ import annotations

import difflib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.errors import HELD
from jobs.viewership.model import grouped
from jobs.viewership.phases.load import load
from jobs.viewership.phases.log import log
from jobs.viewership.phases.match import match
from jobs.viewership.phases.normalize import normalize
from jobs.viewership.report.fates import FATE_PARTS
from jobs.viewership.report.rates import BUCKET_PARTS, DECISION
from jobs.viewership.settings.common import user
from jobs.viewership.settings.reprocess import ReprocessSettings
from jobs.viewership.tables.uploads import find
from shared.database.session import transaction
from shared.errors import EXIT_OK, DataError, IntegrityError, TelecineError, TransientError, most_severe
from shared.failure import Failure
from shared.report import Part, Report, Shares, Table
from shared.report.terminal import counted
from shared.settings.next_command import next_command
from shared.text import cut, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from decimal import Decimal

    from jobs.viewership.phases.result import PhaseResult
    from shared.ledger import StageRun
    from shared.settings import StepSettings

__all__ = [
    "HELD_TABLE",
    "MATCH_CHART",
    "PHASES",
    "PHASES_TABLE",
    "Phase",
    "phase_charts",
    "phase_table",
    "run_phase",
    "waiting",
]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase after the upload.

    Attributes:
        name: name of the phase, its command and its stage.
        order: order of the stage in the ledger.
        waits: statuses of uploads that wait for it.
        run: processes one upload; returns None if the upload does not wait for it.
        done: what happened to an upload, for the headline.
    """

    name: str
    order: int
    waits: tuple[str, ...]
    run: Callable[..., PhaseResult | None]
    done: str


PHASES: Final = {
    phase.name: phase
    for phase in (
        Phase("normalize", 3, ("read",), normalize, "normalized"),
        Phase("match", 4, ("normalized", "partial"), match, "matched"),
        Phase("load", 7, ("matched",), load, "loaded"),
    )
}
"""The phases after the upload, in their order."""
HELD_TABLE: Final = "Held rows"
"""Title of the table of rows that wait for a deal or a value."""
# Code of held rows that a catalogue import releases -> what to do.
_BY_CATALOG: Final = {
    "NO_DEAL": "import a deal that fits",
    "DEAL_TIE": "deactivate one of them, or add a field that tells them apart",
    "NO_CHANNEL": "add internal_channel to the deal",
    "NO_TERRITORY": "add internal_territory to the deal",
}
MATCH_CHART: Final = "Rows by matching step"
"""Title of the bars of match."""
PHASES_TABLE: Final = "Phases"
"""Title of the table of what each phase had to account for."""


def waiting(settings: StepSettings, statuses: Iterable[str]) -> list[int]:
    """Return the numbers of the uploads in these states, oldest first."""
    with transaction(settings) as session:
        return [upload.upload_id for upload in find(session, status=statuses)]


def run_phase(phase: Phase, settings: StepSettings, stage_run: StageRun, upload_ids: Sequence[int]) -> Report:
    """Run one phase over uploads. One that fails does not stop the others.

    Args:
        phase: the phase.
        settings: where the database is.
        stage_run: the stage in the ledger.
        upload_ids: the uploads; those that do not wait for this phase are skipped.

    Raises:
        TransientError: the database cannot be reached.
        TelecineError: the only upload failed.
    """
    results: list[PhaseResult] = []
    failures: list[Failure] = []
    errors: list[TelecineError] = []
    stage_run.progress.start(len(upload_ids), "uploads")
    for upload_id in upload_ids:
        try:
            result = phase.run(settings, upload_id, stage_run.run_id, by=user())
            if result is not None:
                _check(phase, result)
                results.append(result)
        except TransientError:
            raise
        except (DataError, IntegrityError) as error:
            _record(phase, settings, upload_id, error, stage_run.run_id)
            failure = Failure.of(f"upload {upload_id}", error)
            stage_run.record_errors([failure])
            failures.append(failure)
            errors.append(error)
        stage_run.progress.advance(1)
    if errors and not results and len({error.code for error in errors}) == 1:
        raise errors[0]
    report = _report(phase, results, failures, exit_code=most_severe(EXIT_OK, *(error.exit_code for error in errors)))
    if phase.name == "load" and (held := [one.upload_id for one in results if one.counts.get("held")]):
        report.sections.append(_held_table(settings, held))
    return report


def _held_table(settings: StepSettings, upload_ids: Sequence[int]) -> Table:
    """Return a table of why rows are held and what to do."""
    with transaction(settings) as session:
        rows = session.rows(
            """
            SELECT f.code, f.platform, count(*) AS rows FROM viewership.row_fates f
            WHERE f.fate = 'held' AND f.upload_id = ANY (CAST(:ids AS bigint[]))
            GROUP BY f.code, f.platform ORDER BY count(*) DESC, f.code, f.platform
            """,
            ids=list(upload_ids),
        )
        deals = {str(row.platform) for row in session.rows("SELECT DISTINCT platform FROM catalog.deals WHERE active")}
    command = next_command("viewership reprocess", model=ReprocessSettings, settings=settings)
    shown = []
    for row in rows:
        action = _BY_CATALOG.get(row.code)
        if row.code == "NO_DEAL" and row.platform not in {name.casefold() for name in deals}:
            close = difflib.get_close_matches(row.platform, sorted(deals), n=1)
            similar = f", or correct the deal of '{one_line(close[0])}'" if close else ""
            action = f"import a deal of platform {row.platform}{similar}"
        why = HELD[row.code] if action is None else f"{HELD[row.code]}; {action}, then run `{command}`"
        shown.append([row.code, row.platform, row.rows, why])
    return Table(HELD_TABLE, ["held", "platform", "rows", "why"], shown)


def _check(phase: Phase, result: PhaseResult) -> None:
    if result.expected != result.actual:
        raise IntegrityError(
            f"{phase.name}: upload {result.upload_id}: {_said(result.actual)} accounted for; expected "
            f"{_said(result.expected)}; run `telecine viewership verify`"
        )


def _said(sums: tuple[int, Decimal, Decimal]) -> str:
    return f"{sums[0]} rows, {sums[1]} hours and {sums[2]} revenue"


def _record(phase: Phase, settings: StepSettings, upload_id: int, error: TelecineError, run_id: str) -> None:
    """Log the failure in a transaction of its own: that of the phase was rolled back."""
    _log.error("%s: upload %d: %s", phase.name, upload_id, error.message)
    try:
        with transaction(settings) as session:
            log(
                session,
                phase.name,
                "failed",
                run_id=run_id,
                seconds=0,
                upload_id=upload_id,
                message=f"{error.code}: {error.message}",
            )
    except TransientError as lost:
        _log.warning("the failure could not be logged: %s", lost)


def _report(phase: Phase, results: Sequence[PhaseResult], failures: list[Failure], *, exit_code: int) -> Report:
    partial = failures or any(result.status == "partial" or result.counts.get("failed_buckets") for result in results)
    parts = [f"{counted(len(results), 'upload', 'uploads')} {phase.done}"]
    if failures:
        parts.append(f"{len(failures)} failed")
    parts += _facts(phase, results)
    return Report(
        status="failed" if exit_code else "partial" if partial else "success",
        exit_code=exit_code,
        headline=", ".join(parts),
        items=len(results) + len(failures),
        counts={**phase_counts(results), "uploads": len(results), "failed": len(failures)},
        rejects=_rejects(failures),
        failures=failures,
        durations={f"upload {result.upload_id}": result.seconds for result in results[:_SHOWN]},
        sections=[*phase_charts(phase.name, results), phase_table({phase.name: results})] if results else [],
    )


_SHOWN: Final = 50
# Uploads with a bar of their own; the table has more.
_BARS: Final = 12
_READ: Final = (
    Part("stored", "blue-2"),
    Part("rejected", "red"),
    Part("filtered", "gray"),
    Part("topline", "light-gray"),
)
_DEALS: Final = (Part("with a deal", "blue-2"), Part("held", "amber"))


def _facts(phase: Phase, results: Sequence[PhaseResult]) -> list[str]:
    counts = phase_counts(results)
    if phase.name == "normalize":
        return [f"{counted(counts.get('held', 0), 'row', 'rows')} held"] if counts.get("held") else []
    if phase.name == "match":
        rows = counts["expected_units"]
        return [f"{counts.get('matched', 0):,} of {counted(rows, 'row', 'rows')} matched"] if rows else []
    if not results:
        return []
    parts = [f"{counted(counts.get('final', 0), 'final row', 'final rows')}"]
    parts += [f"{counts[fate]:,} {said}" for fate, said in _OPEN.items() if counts.get(fate)]
    if counts.get("replaced"):
        parts.append(f"{counted(counts['replaced'], 'upload', 'uploads')} replaced")
    return parts


_OPEN: Final = {"review": "in review", "unmatched": "unmatched", "held": "held"}


def phase_counts(results: Sequence[PhaseResult]) -> dict[str, int]:
    """Return the sums of counts over uploads, with the units expected and accounted for."""
    counts: dict[str, int] = {
        "expected_units": sum(result.expected[0] for result in results),
        "actual_units": sum(result.actual[0] for result in results),
    }
    for result in results:
        for name, value in result.counts.items():
            counts[name] = counts.get(name, 0) + value
    return counts


def phase_charts(phase: str, results: Sequence[PhaseResult]) -> list[Shares]:
    """Return bars of the rows of each upload by what a phase made of them; nothing without rows.

    Args:
        phase: name of the phase.
        results: its results.
    """
    title, parts, values = {
        "upload": ("Rows by file", _READ, _read),
        "normalize": ("Rows with and without a deal", _DEALS, _deals),
        "match": (MATCH_CHART, BUCKET_PARTS, _buckets),
        "load": ("Rows by fate", FATE_PARTS, _fates),
    }[phase]
    bars = [(f"{each.upload_id}: {one_line(cut(each.filename, _NAME))}", values(each)) for each in results]
    shown = [(label, amounts) for label, amounts in bars if any(amounts)]
    note = ""
    if len(shown) > _BARS:
        note = f"{_BARS} of {len(shown):,} uploads shown; all are in the table of phases."
    return [Shares(title, "rows", parts, shown[:_BARS], note)] if shown else []


_NAME: Final = 80


def _read(result: PhaseResult) -> list[int]:
    counts = result.counts
    lost = [counts.get(name, 0) for name in ("rejected", "filtered", "topline")]
    return [max(result.expected[0] - sum(lost), 0), *lost]


def _deals(result: PhaseResult) -> list[int]:
    held = result.counts.get("held", 0)
    return [max(result.expected[0] - held, 0), held]


def _buckets(result: PhaseResult) -> list[int]:
    found = dict.fromkeys((part.name for part in BUCKET_PARTS), 0)
    for status, bucket, units, *_ in result.detail.get("buckets", ()):
        name = bucket if status == "matched" else status
        found[name if name in found else DECISION] += units
    return list(found.values())


def _fates(result: PhaseResult) -> list[int]:
    return [result.counts.get(part.name, 0) for part in FATE_PARTS]


def _rejects(failures: Sequence[Failure]) -> dict[str, int]:
    codes: dict[str, int] = {}
    for failure in failures:
        codes[failure.code] = codes.get(failure.code, 0) + 1
    return codes


def phase_table(phases: dict[str, Sequence[PhaseResult]]) -> Table:
    """Return the table of the sums that each phase must account for.

    Args:
        phases: name of a phase -> its results.
    """
    rows: list[list[Any]] = [
        [
            result.upload_id,
            result.filename,
            result.platform,
            name,
            result.expected[0],
            result.actual[0],
            grouped(result.expected[1]),
            grouped(result.actual[1]),
            round(result.seconds, 2),
        ]
        for name, results in phases.items()
        for result in results[:_SHOWN]
    ]
    total = sum(map(len, phases.values()))
    columns = ["upload", "file", "platform", "phase", "rows expected", "rows", "hours expected", "hours", "seconds"]
    note = "A phase fails if it does not account for every row."
    return Table(PHASES_TABLE, columns, rows, note, total=total, where="viewership.error_log")
