"""The upload step: store the rows of named files, or of what has arrived; a bad file does not stop the others."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from jobs.viewership.phases.upload import Taken, take
from jobs.viewership.steps._stages import phase_counts, phase_table
from shared.database.migrate import ready
from shared.errors import EXIT_DATA, EXIT_OK, UsageError, most_severe
from shared.failure import Failure
from shared.report import Report, Table
from shared.report.terminal import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.viewership.settings.uploads import UploadSettings
    from shared.ledger import StageRun

__all__ = ["run", "take_files", "upload_report"]

_log = logging.getLogger(__name__)

_SHOWN: Final = 200
# Outcomes in the order of a headline.
_OUTCOMES: Final = {
    "stored": "stored",
    "linked": "stored before",
    "skipped": "skipped",
    "needs_choice": "with an open question",
    "copy": "a copy",
    "overlap": "with stored days",
    "refused": "refused",
}


def run(settings: UploadSettings, stage_run: StageRun) -> Report:
    """Store the rows of files, and return the report.

    Args:
        settings: settings of the step.
        stage_run: the stage in the ledger.

    Raises:
        UsageError: the only named file does not exist, or a flag does not fit it.
        TransientError: the store or the database cannot be reached.
    """
    return upload_report(settings, *take_files(settings, stage_run))


def take_files(settings: UploadSettings, stage_run: StageRun) -> tuple[list[Taken], list[Failure]]:
    """Take the named files, or what has arrived, and return what became of them, and files that could not be opened.

    Args:
        settings: settings of the step.
        stage_run: receives progress and failures.
    """
    ready(settings)
    taken: list[Taken] = []
    failed: list[Failure] = []
    stage_run.progress.start(len(settings.files), "files")
    for place in settings.files:
        try:
            one = take(settings, place, stage_run.run_id)
        except UsageError as error:
            if len(settings.files) == 1:
                raise
            failed.append(Failure.of(place, error))
        else:
            taken.append(one)
            stage_run.record_errors(one.failures)
            _told(one)
        stage_run.progress.advance(1)
    stage_run.record_errors(failed)
    return taken, failed


def _told(one: Taken) -> None:
    if one.message:
        level = logging.INFO if one.outcome in ("linked", "skipped") else logging.WARNING
        _log.log(level, "%s: %s", one.filename, one.message)
    for note in one.result.notes if one.result else ():
        _log.warning("%s: %s", one.filename, note)


def upload_report(settings: UploadSettings, taken: Sequence[Taken], failed: Sequence[Failure]) -> Report:
    """Return the report of the upload.

    Args:
        settings: settings of the step.
        taken: what became of the files.
        failed: files that could not be opened.
    """
    outcomes = Counter(one.outcome for one in taken)
    named = bool(settings.files)
    refused = outcomes["refused"] + len(failed)
    open_ = sum(one.waits for one in taken)
    # An upload that has arrived may wait for an answer; a person who names a file gets the question.
    bad = refused + (open_ if named else 0)
    code = most_severe(EXIT_OK, EXIT_DATA if bad else EXIT_OK)
    results = [one.result for one in taken if one.result is not None and one.outcome == "stored"]
    rejected = sum(one.rejected for one in taken)
    failures = [*failed, *(failure for one in taken for failure in one.failures[:1]), *_rest(taken)]
    rejects = Counter(failure.code for failure in failed)
    rejects.update(one.code for one in taken if one.code is not None and one.outcome != "skipped")
    return Report(
        status="failed" if code else "partial" if open_ or rejected else "success" if taken else "skipped",
        exit_code=code,
        headline=_headline(outcomes, len(failed), sum(result.counts["rows"] for result in results), rejected),
        items=len(taken) + len(failed),
        counts={
            "files": len(taken) + len(failed),
            **{name: outcomes[name] for name in _OUTCOMES},
            "failed": refused,
            **phase_counts(results),
            "rejected": rejected,
        },
        bytes={"read": sum(one.size_bytes for one in taken)},
        rejects=dict(rejects),
        failures=failures,
        failures_truncated=max(0, rejected - sum(max(0, len(one.failures) - 1) for one in taken)),
        durations={f"upload {result.upload_id}": result.seconds for result in results[:_SHOWN]},
        sections=[_files(taken), *([phase_table({"upload": results})] if results else [])] if taken else [],
    )


def _rest(taken: Sequence[Taken]) -> list[Failure]:
    return [failure for one in taken for failure in one.failures[1:]]


def _headline(outcomes: Counter[str], failed: int, rows: int, rejected: int) -> str:
    parts = [f"{outcomes[name]:,} {said}" for name, said in _OUTCOMES.items() if outcomes[name]]
    if failed:
        parts.append(f"{failed} that cannot be opened")
    files = sum(outcomes.values()) + failed
    if not files:
        return "nothing has arrived"
    parts.append(f"{counted(rows, 'row', 'rows')} stored")
    if rejected:
        parts.append(f"{rejected:,} rejected")
    return f"{counted(files, 'file', 'files')}: {', '.join(parts)}"


def _files(taken: Sequence[Taken]) -> Table:
    rows = [
        [
            one.upload_id,
            one.filename,
            one.result.detail["format"] if one.result else None,
            _OUTCOMES[one.outcome],
            one.result.expected[0] if one.result else None,
            one.rejected,
            one.message or None,
        ]
        for one in taken[:_SHOWN]
    ]
    return Table("Files", ["upload", "file", "format", "outcome", "rows", "rejected", "what to know"], rows)
