"""Reports of screenalytics."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Literal
from unittest.mock import patch

from jobs.screenalytics.arrival.events import Candidate
from jobs.screenalytics.intake.decision import IntakeResult
from jobs.screenalytics.intake.tally import IntakeTally
from jobs.screenalytics.model import ManifestRef, RunWarning
from jobs.screenalytics.settings import SampleSettings, VerifySettings, WriteManifestSettings
from jobs.screenalytics.steps import sample, verify, write_manifest
from jobs.screenalytics.tables.persons import sections
from jobs.screenalytics.verification.tables import finding
from shared.failure import Failure
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.store import MemoryStore
from tests.reports.names import EVIL, LONG, MESSAGE, NAMES, RTL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shared.report import Report

__all__ = ["REPORTS"]

_OUTCOMES: tuple[Literal["ingested", "unchanged", "replaced"], ...] = ("ingested", "unchanged", "replaced")
_CODES = ("CHECKSUM_MISMATCH", "FIELD_INVALID", "MANIFEST_CHANGED")


def _candidate(run_id: str) -> Candidate:
    return Candidate(ManifestRef(run_id, f"runs/{run_id}/manifest.json"), "poll")


def _ingest(_: Path) -> Report:
    tally = IntakeTally()
    for number in range(240):
        warned = (RunWarning("EPISODE_UNLINKED", "x"),) if number % 7 == 0 else ()
        candidate, outcome = _candidate(f"run-{number:04d}"), _OUTCOMES[number % 3]
        tally.add(IntakeResult(candidate, outcome, ep_id="show-s01e01", persons=12, warnings=warned))
    for number, name in enumerate(NAMES):
        failure = Failure(name, _CODES[number % 3], MESSAGE, retryable=number % 2 == 0)
        tally.add(
            IntakeResult(_candidate(name), "failed", failure_class="permanent", failure=failure, note=failure.code)
        )
    tally.add(IntakeResult(_candidate(RTL), "deferred", note="RUN_RUNNING"))
    tally.known, tally.set_aside = 12_345, 3
    report = tally.report(max_failed=0, durations={"list": 1.5, "read": 4.0, "write": 12.0})
    report.sections += sections([
        SimpleNamespace(
            ep_id="show-s01e01", run_id="run-0001", name=name, person_id="p", onscreen_ms=900_000 - 100_000 * number,
            speaking_ms=120_000, confessional_ms=None, confidence=0.93,
        )
        for number, name in enumerate((EVIL, LONG, RTL, None))
    ])  # fmt: skip
    return report


def _verify(_: Path) -> Report:
    result = verify._Result()
    result.counts.update(checked=1_234, sound=1_200, missing=12, waiting=4, source_deleted=3)
    for number, name in enumerate((*NAMES, *(f"run-{each}" for each in range(240)))):
        code = "NOT_INGESTED" if number % 2 else "SOURCE_DELETED"
        result.findings.append(finding(name, f"runs/{name}/manifest.json", code, MESSAGE))
    return verify._report(VerifySettings(bucket="s3://screenalytics"), "s3://screenalytics", result, "")


def _write_manifest(_: Path) -> Report:
    settings = WriteManifestSettings(run="run-1,run-2,Attempt3_2025-12-23_101500EST", bucket="s3://memory")
    with patch("jobs.screenalytics.steps.write_manifest.open_source", return_value=MemoryStore()):
        return write_manifest.run(settings, MemoryStageRun(pipeline="screenalytics"))  # type: ignore[arg-type]


def _sample(folder: Path) -> Report:
    settings = SampleSettings(output=f"file://{folder}")
    return sample.run(settings, MemoryStageRun(pipeline="screenalytics"))  # type: ignore[arg-type]


REPORTS: dict[str, Callable[[Path], Report]] = {
    "ingest": _ingest,
    "replay": _ingest,
    "verify": _verify,
    "write-manifest": _write_manifest,
    "sample": _sample,
}
