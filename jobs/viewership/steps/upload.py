"""The upload step: store the rows of named files, or of what has arrived; a bad file does not stop the others."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from jobs.viewership.arrival.delivery import begin, ends_the_poll, is_counted, refuse_event, settle
from jobs.viewership.arrival.events import Arrival, BadEvent
from jobs.viewership.arrival.notices import notify_waiting
from jobs.viewership.arrival.search import arrivals, named_arrival
from jobs.viewership.errors import Refused
from jobs.viewership.phases.reading import check_choices
from jobs.viewership.phases.upload import Taken, take
from jobs.viewership.report.sections import upload_sections
from jobs.viewership.settings.uploads import step_of
from jobs.viewership.steps._platforms import check_new_platform
from jobs.viewership.steps._stages import phase_charts, phase_counts, phase_table
from shared.database.migrate import ready
from shared.database.session import transaction
from shared.errors import EXIT_DATA, EXIT_OK, TelecineError, TransientError, UsageError, most_severe
from shared.failure import Failure
from shared.logs import in_pod
from shared.report import Report, Table
from shared.report.terminal import counted
from shared.step import form
from shared.storage import join_uri
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobs.viewership.phases.result import PhaseResult
    from jobs.viewership.settings.uploads import UploadSettings
    from shared.ledger import StageRun
    from shared.report import Section

__all__ = ["Uploads", "run", "sections", "take_files", "upload_report"]

_log = logging.getLogger(__name__)

_SHOWN: Final = 200
# A report shows the first failure of each file, then others, 50 in all.
_FAILURES: Final = 50
# Outcomes in the order of a headline.
_OUTCOMES: Final = ("stored", "linked", "skipped", "needs_choice", "copy", "overlap", "refused")


def run(settings: UploadSettings, stage_run: StageRun) -> Report:
    """Store the rows of files, and return the report.

    Args:
        settings: settings of the step.
        stage_run: the stage in the ledger.

    Raises:
        UsageError: the only named file does not exist, or a flag does not fit it.
        TransientError: the store or the database cannot be reached.
    """
    uploads = take_files(settings, stage_run)
    report = upload_report(settings, uploads)
    report.sections += sections(settings, uploads)
    return report


@dataclass(slots=True)
class Uploads:
    """The outcomes of the files of one run.

    Attributes:
        taken: files that could be opened.
        failed: files that could not be opened, and events that name none.
        places: number of an upload -> path or URI that the user passed.
        set_aside: events and files that failed too often.
        failures: number of failures that are kept of the files that were opened.
    """

    taken: list[Taken] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    places: dict[int, str] = field(default_factory=dict)
    set_aside: int = 0
    failures: int = 0

    def add(self, one: Taken, place: str) -> None:
        """Add a file that was opened; once there are enough failures for the report, keep only its first one."""
        if self.failures >= _FAILURES:
            one = replace(one, failures=one.failures[:1])
        self.failures += len(one.failures)
        self.taken.append(one)
        self.places[one.upload_id] = place


def take_files(settings: UploadSettings, stage_run: StageRun) -> Uploads:
    """Upload the named files, or what has arrived, and return the outcomes.

    Args:
        settings: settings of the step.
        stage_run: receives progress and failures.

    Raises:
        UsageError: the Workflow has an unknown parameter, or a flag is wrong.
    """
    if form.is_known():
        form.check_names(pipeline="viewership")
    check_choices(settings)
    if settings.filename is not None and len(settings.files) != 1:
        raise UsageError(
            f"--filename names one file, but {len(settings.files) or 'no'} FILE arguments are given; expected exactly"
            " one; omit --filename to use the files' own names"
        )
    ready(settings)
    with transaction(settings) as session:
        check_new_platform(settings, session)
    uploads = Uploads()
    stage_run.progress.start(len(settings.files), "files")
    for found in _named(settings) if settings.files else arrivals(settings):
        if isinstance(found, BadEvent):
            uploads.set_aside += refuse_event(settings, found)
            _fail(uploads, stage_run, Failure.of(found.event.name if found.event else "the outbox", found.error))
        else:
            _take(settings, found, stage_run, uploads)
        stage_run.progress.advance(1)
    if not settings.files and not in_pod():  # in a cluster, the exit hook announces them
        notify_waiting(settings, stage_run.run_id)
    return uploads


def _named(settings: UploadSettings) -> Iterator[Arrival]:
    """Yield the files that the user named; the next poll skips those below the folder of uploads."""
    for place in settings.files:
        yield named_arrival(settings, place) or Arrival(place, "")


def _take(settings: UploadSettings, found: Arrival, stage_run: StageRun, uploads: Uploads) -> None:
    chosen = settings.model_copy(update=found.overrides) if found.overrides else settings
    # A file that the user named may be read with a wrong flag, which must not affect the next poll.
    has_arrived = not settings.files
    try:
        if has_arrived:
            begin(settings, found, stage_run.run_id)
        one = take(chosen, found.uri, stage_run.run_id, sha256=found.sha256)
    except Exception as error:
        ends = _ends(settings, error)
        if has_arrived:
            with suppress(TelecineError) if ends else nullcontext():
                uploads.set_aside += _settle_failed(settings, found, error, stage_run.run_id)
        if ends:
            raise
        _fail(uploads, stage_run, Failure.of(found.uri, error))
        return
    stage_run.record_errors(one.failures)
    uploads.add(one, found.uri)
    _told(one)
    if found.etag:
        settle(
            settings,
            found,
            "waiting" if one.waits else "refused" if one.outcome == "refused" else "taken",
            upload_id=one.upload_id,
            code=one.code,
            message=one.message or None,
            run_id=stage_run.run_id,
        )


def _ends(settings: UploadSettings, error: Exception) -> bool:
    """Return whether an error ends the step; of several files that have arrived, one must not stop the others."""
    if not isinstance(error, TelecineError):
        if not settings.files:
            _log.error("internal error", exc_info=error)
        return bool(settings.files)
    if len(settings.files) == 1 or ends_the_poll(error):
        return True
    return bool(settings.files) and isinstance(error, TransientError)


def _settle_failed(settings: UploadSettings, found: Arrival, error: Exception, run_id: str) -> bool:
    ours = error if isinstance(error, TelecineError) else TelecineError(repr(error))
    return settle(
        settings,
        found,
        "refused" if isinstance(error, Refused) else "failed",
        upload_id=None,
        code=ours.code,
        message=ours.message,
        run_id=run_id,
        counted=is_counted(ours) and not ends_the_poll(ours),
    )


def _fail(uploads: Uploads, stage_run: StageRun, failure: Failure) -> None:
    uploads.failed.append(failure)
    stage_run.record_errors([failure])
    _log.warning("%s: %s", failure.item, failure.message)


def sections(settings: UploadSettings, uploads: Uploads) -> list[Section]:
    """Return the sections of the report about the uploads of a run.

    Args:
        settings: settings of the step.
        uploads: the outcomes of the files.
    """
    numbers = list(dict.fromkeys(one.upload_id for one in uploads.taken if one.outcome != "linked"))
    with transaction(settings) as session:
        names = {one.upload_id: one.filename for one in uploads.taken}
        return upload_sections(session, numbers, places=uploads.places, names=names, settings=settings)


def _told(one: Taken) -> None:
    if one.message:
        level = logging.INFO if one.outcome in ("linked", "skipped") else logging.WARNING
        _log.log(level, "%s: %s", one.filename, one.message)
    for note in one.result.notes if one.result else ():
        _log.warning("%s: %s", one.filename, note)


def upload_report(settings: UploadSettings, uploads: Uploads) -> Report:
    """Return the report of the upload.

    Args:
        settings: settings of the step.
        uploads: the outcomes of the files.
    """
    taken, failed = uploads.taken, uploads.failed
    outcomes = Counter(one.outcome for one in taken)
    named = bool(settings.files)
    refused = outcomes["refused"] + len(failed)
    open_ = sum(one.waits for one in taken)
    # An upload that has arrived may wait for an answer; a user who names a file gets the question at once.
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
        headline=_headline(outcomes, len(failed), results, rejected) if taken or failed else _nothing(settings),
        items=len(taken) + len(failed),
        counts={
            "files": len(taken) + len(failed),
            **{name: outcomes[name] for name in _OUTCOMES},
            "failed": refused,
            "set_aside": uploads.set_aside,
            **phase_counts(results),
            "rejected": rejected,
        },
        bytes={"read": sum(one.size_bytes for one in taken)},
        rejects=dict(rejects),
        failures=failures,
        # A file with a code of its own has that as its first failure; the others are rejected rows.
        failures_truncated=rejected - sum("line" in failure.data for one in taken for failure in one.failures),
        durations={f"upload {result.upload_id}": result.seconds for result in results[:_SHOWN]},
        sections=_sections(taken, results) if taken else [],
    )


def _sections(taken: Sequence[Taken], results: Sequence[PhaseResult]) -> list[Section]:
    files = _files(taken)
    return [files, *phase_charts("upload", results), phase_table({"upload": results})] if results else [files]


def _rest(taken: Sequence[Taken]) -> list[Failure]:
    return [failure for one in taken for failure in one.failures[1:]]


def _headline(outcomes: Counter[str], failed: int, results: Sequence[PhaseResult], rejected: int) -> str:
    parts = [f"{outcomes[name]:,} {name}" for name in _OUTCOMES if outcomes[name]]
    if failed:
        parts.append(f"{failed} that cannot be opened")
    files = sum(outcomes.values()) + failed
    counts = phase_counts(results)
    parts.append(f"{counted(counts.get('rows', 0), 'row', 'rows')} stored")
    if rejected:
        parts.append(f"{rejected:,} rejected")
    # Without it, the rows of a file with totals do not add up.
    if filtered := counts.get("filtered"):
        parts.append(f"{filtered:,} filtered")
    return f"{counted(files, 'file', 'files')}: {', '.join(parts)}"


def _nothing(settings: UploadSettings) -> str:
    """Return the headline of a poll that found nothing: where it looked, and how to pass a file."""
    looked = []
    if settings.arrival in ("both", "poll"):
        looked.append(f"no new file below {one_line(join_uri(settings.bucket, settings.prefix))}")
    if settings.arrival in ("both", "events"):
        looked.append(f"no event in {settings.outbox_table}")
    command = f"telecine viewership {step_of(settings)} FILE"
    return f"nothing has arrived: {', '.join(looked)}; to upload another file, run `{command}`"


def _files(taken: Sequence[Taken]) -> Table:
    rows = [
        [
            one.upload_id,
            one.filename,
            one.result.detail["format"] if one.result else None,
            one.outcome,
            one.result.expected[0] if one.result else None,
            one.rejected,
            # The message of a failure is listed with the failures.
            "; ".join(filter(None, ("" if one.failed else one.message, *(one.result.notes if one.result else ()))))
            or None,
        ]
        for one in taken[:_SHOWN]
    ]
    columns = ["upload", "file", "format", "outcome", "rows", "rejected", "what to know"]
    return Table("Files", columns, rows, total=len(taken), where="viewership.uploads")
