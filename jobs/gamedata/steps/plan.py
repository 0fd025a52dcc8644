"""The plan step: report what a run would read and do, without reading a TAR, once all parameters are checked."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

from jobs.gamedata.extraction.batches import make_batches
from jobs.gamedata.extraction.estimate import GB_CPU_S, TAR_CPU_S, choose, cpu_seconds
from jobs.gamedata.extraction.passed_over import passed_over_table
from jobs.gamedata.extraction.worklist import make_worklist, no_tar
from jobs.gamedata.steps._parameters import Checked, validate
from shared.report.sections import Part
from shared.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.gamedata.extraction.worklist import Worklist
    from jobs.gamedata.settings import PlanSettings
    from shared.ledger import StageRun
    from shared.report import Report, Section

__all__ = ["run"]

_log = logging.getLogger(__name__)

_BYTES_PER_MB: Final = 1_000_000
# Seconds for worker processes to start and end: 3 items take 4 s in all (docs/performance.md). The pods of a RayJob
# take longer, depending on the images.
_START_S: Final = 3
_SHOWN: Final = 20
# Colours of the planned actions, in the order of :func:`_fates`.
_TONES: Final = ("blue-2", "teal-2", "red", "brown", "light-gray")
# End of the headline, by the choice of `--compute auto`.
_PLACES: Final = {
    "": "",
    "local": "; extraction in one pod",
    "cpu": "; extraction on a Ray cluster",
    "gpu": "; extraction on a Ray cluster with GPUs",
}


def run(settings: PlanSettings, stage_run: StageRun) -> Report:
    """Check the parameters of all steps at once, list the source, and compare it with the committed results.

    Reads no TAR, writes only its report, and needs neither torch nor Ray nor PyAV.

    Args:
        settings: settings of the whole run.
        stage_run: the ledger's record of this step.

    Returns:
        A report with the counts ``to_read``, ``done``, ``failed_before``, ``missing``, ``batches``, ``bytes`` and
        ``cpu_s``.

    Raises:
        UsageError: parameters are wrong; the message has a line for each.
        ConfigurationError: a bucket is missing or access is denied.
        TransientError: the store cannot be reached.
    """
    from shared.report import Report, outputs

    began = time.monotonic()
    checked = validate(settings)
    checked_at = time.monotonic()
    source = open_store(settings.source_bucket, settings)
    worklist = make_worklist(settings, source, open_store(settings.manifest_bucket, settings, create=True))
    size = sum(item.size for item in worklist.items)
    workers = settings.workers or 1
    batches = make_batches(worklist.items, max_bytes=settings.batch_mb * _BYTES_PER_MB, workers=workers)
    cpu_s = cpu_seconds(settings, worklist.items)
    choice = choose(settings, cpu_s)
    checked.append(Checked("--compute", settings.compute, choice.reason))
    # Argo reads this output to decide whether extract is a pod or a RayJob.
    outputs.put({"compute": choice.compute})
    total = len(worklist)
    invalid = sum(error.code == "key_invalid" for _, error in worklist.missing)
    passed_over = len(worklist.passed_over)
    if len(worklist) and passed_over:
        _log.log(worklist.passed_over.level, "passed over: %s", worklist.passed_over)
    stage_run.progress.start(total, "TARs")
    stage_run.progress.advance(total)
    report = Report(
        headline=_headline(worklist, settings, invalid) + _PLACES[choice.compute if settings.compute == "auto" else ""],
        items=total,
        counts={
            "to_read": len(worklist.items),
            "done": worklist.done,
            "failed_before": len(worklist.failed_before),
            "missing": len(worklist.missing) - invalid,
            **({"invalid_keys": invalid} if invalid else {}),
            "left_out": worklist.left_out,
            **({"passed_over": passed_over} if passed_over else {}),
            "batches": len(batches),
            "bytes": size,
            "cpu_s": round(cpu_s),
        },
        bytes={"to_read": size},
        outputs={"compute": choice.compute},
        durations={"check_parameters": checked_at - began, "list_and_compare": time.monotonic() - checked_at},
        sections=list(_sections(worklist, settings, checked, cpu_s)),
    )
    report.tiles = (
        "to_read",
        "done",
        "failed_before",
        "missing",
        *(["invalid_keys"] if invalid else []),
        *(["left_out"] if worklist.left_out else []),
        *(["passed_over"] if passed_over else []),
        "batches",
    )
    return report


def _headline(worklist: Worklist, settings: PlanSettings, invalid: int) -> str:
    total = len(worklist)
    if not total:
        return no_tar(worklist, settings)
    words = {
        "to read": len(worklist.items),
        "done": worklist.done,
        "failed before": len(worklist.failed_before),
        "not in the bucket": len(worklist.missing) - invalid,
        "invalid": invalid,
        "skipped": worklist.left_out,
    }
    shown = [f"{count:,} {word}" for word, count in words.items() if count or word == "to read"]
    return f"{total:,} {'TAR' if total == 1 else 'TARs'}: {', '.join(shown)}"


def _fates(worklist: Worklist) -> dict[str, int]:
    """Return the number of TARs and task-list lines by planned action."""
    return {
        "to read": len(worklist.items),
        "done before": worklist.done,
        "failed before, not retried": len(worklist.failed_before),
        "without a TAR": len(worklist.missing),
        "skipped by --only-failed": worklist.left_out,
    }


def _sections(worklist: Worklist, settings: PlanSettings, checked: list[Checked], cpu_s: float) -> Iterator[Section]:
    from shared.report import Histogram, Shares, Table

    yield Table("Parameters", ["parameter", "value", "found"], [[row.flag, row.value, row.result] for row in checked])
    rows: list[list[Any]] = [["on one core", round(cpu_s)]]
    if settings.workers:
        rows.append([f"with {settings.workers} workers", round(_START_S + cpu_s / settings.workers)])
    yield Table(
        "Estimate",
        ["seconds", "about"],
        rows,
        note=f"Based on {TAR_CPU_S} CPU seconds per TAR, or {GB_CPU_S} per GB if that is more, measured with "
        "ten-minute videos of 640x360 to 1920x1080 at the default sampling. The time to start pods is not included.",
    )
    values = _fates(worklist)
    if any(values.values()):
        parts = [Part(name, tone) for name, tone in zip(values, _TONES, strict=True)]
        yield Shares("TARs by planned action", "TARs", parts, [("TARs and task-list lines", list(values.values()))])
    if worklist.items:
        yield Histogram.of("Sizes of the TARs to read", "MB", [item.size / _BYTES_PER_MB for item in worklist.items])
    largest = sorted(worklist.items, key=lambda item: (-item.size, item.key))[:_SHOWN]
    yield Table(
        "Largest TARs to read",
        ["TAR", "MB", "attempt"],
        [[item.key, round(item.size / _BYTES_PER_MB, 1), item.attempt] for item in largest],
        total=len(worklist.items),
    )
    if worklist.passed_over:
        yield passed_over_table(worklist.passed_over)
    if worklist.missing:
        yield Table(
            "Keys without a TAR",
            ["key", "code", "what is wrong"],
            [[item.key, error.code, error.message] for item, error in worklist.missing[:_SHOWN]],
            total=len(worklist.missing),
        )
    if worklist.failed_before:
        yield Table(
            "Failed before, not retried",
            ["TAR", "code", "what happened"],
            [[failure.item, failure.code, failure.message] for failure in worklist.failed_before[:_SHOWN]],
            note="A TAR is read again after it changes; --no-skip-existing reads all of them again.",
            total=len(worklist.failed_before),
            where="the manifest",
        )
