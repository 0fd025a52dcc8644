"""Reports of viewership."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from jobs.viewership.audit.model import Check, Finding
from jobs.viewership.audit.sums import Sums
from jobs.viewership.audit.verify import Audit
from jobs.viewership.phases.reprocess import PlatformResult, Reprocessed
from jobs.viewership.phases.result import PhaseResult
from jobs.viewership.phases.upload import Taken
from jobs.viewership.report.fates import fate_sections
from jobs.viewership.report.rates import match_rates, rate_sections
from jobs.viewership.report.rejected import rejected_table
from jobs.viewership.report.unmatched import unmatched_table
from jobs.viewership.report.waiting import Waiting, waiting_table
from jobs.viewership.settings.audit import VerifySettings
from jobs.viewership.settings.sample import SampleSettings
from jobs.viewership.settings.uploads import UploadSettings
from jobs.viewership.steps import catalog, reprocess, retract, sample, upload, verify
from jobs.viewership.steps._next import next_section
from jobs.viewership.steps._stages import PHASES
from jobs.viewership.steps._stages import _report as phase_report
from jobs.viewership.steps.run import merge
from jobs.viewership.tables.fates import BucketSum, Fates, FateSum
from jobs.viewership.tables.uploads import Upload
from shared.failure import Failure
from shared.report import Report
from tests.fakes.ledger import MemoryStageRun
from tests.reports.names import EVIL, LONG, MESSAGE, NAMES, RTL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shared.report import Section

__all__ = ["REPORTS"]

_HOURS = Decimal("12345.6700000001")
_COUNTS = {
    "upload": {"rows": 11_900, "rejected": 200, "filtered": 200, "topline": 45},
    "normalize": {"held": 120, "scopes": 4},
    "match": {"matched": 9_000, "keys": 400},
    "load": {"final": 9_000, "review": 1_200, "unmatched": 900, "held": 120, "rejected": 200, "topline": 45},
}
_BUCKETS = [("matched", "FULL_DATA", 9_000, 1, 1), ("review", None, 1_200, 1, 1), ("unmatched", None, 900, 1, 1)]


def _result(phase: str, number: int, name: str) -> PhaseResult:
    sums = (12_345, _HOURS, Decimal(0))
    detail = {"format": "canonical 1", "buckets": _BUCKETS}
    return PhaseResult(number, name, "canonical", sums, sums, 1.25, "loaded", _COUNTS[phase], (MESSAGE,), detail)


def _phase(phase: str) -> Callable[[Path], Report]:
    def make(_: Path) -> Report:
        results = [_result(phase, number, name) for number, name in enumerate(NAMES * 2, 1)]
        failures = [Failure(f"upload {number}", "SUMS", MESSAGE) for number in range(60)]
        return phase_report(PHASES[phase], results, failures, exit_code=65)

    return make


def _upload(_: Path) -> Report:
    uploads = upload.Uploads(failed=[Failure(LONG, "FORMAT", MESSAGE)])
    for number, name in enumerate(NAMES, 1):
        failures = (Failure(name, "DURATION", MESSAGE, data={"line": 7}),)
        taken = Taken(
            number, name, "stored", 4_000_000, result=_result("upload", number, name), failures=failures, rejected=200
        )
        uploads.add(taken, name)
    uploads.add(Taken(99, EVIL, "overlap", 4_000, "OVERLAP", MESSAGE), EVIL)
    report = upload.upload_report(UploadSettings(), uploads)
    report.sections += _sections()
    return report


class _Rows:
    """A session that answers each query with the same rows."""

    def __init__(self, *answers: list[Any]) -> None:
        self._answers = list(answers)

    def rows(self, _: str, **__: Any) -> list[Any]:
        return self._answers.pop(0)


def _sections() -> list[Section]:
    at = datetime(2026, 11, 30, tzinfo=UTC)
    uploads = [
        Upload(
            number, "0" * 64, name, "raw/x", 4_000, "canonical", None, "Both", "canonical 1", {}, "loaded",
            date(2025, 7, 1), date(2025, 7, 31), [], None, 12_345, _HOURS, Decimal(0), at,
        )
        for number, name in enumerate(NAMES[:4], 1)
    ]  # fmt: skip
    fates = {"final": None, "review": "BELOW_CUT", "unmatched": "NO_CANDIDATE", "held": "NO_DEAL"}
    fates["rejected"] = "DURATION"
    sums = tuple(FateSum(fate, code, 2_469, _HOURS / 5, Decimal(0)) for fate, code in fates.items())
    buckets = tuple(
        BucketSum(fate, None if code else "FULL_DATA", 2_469, _HOURS / 5, Decimal(0)) for fate, code in fates.items()
    )
    found = {each.upload_id: Fates(sums, buckets, 12_345, _HOURS, Decimal(0)) for each in uploads}
    command = f"telecine viewership run './{LONG}' --date-order day-first"
    asked = waiting_table([Waiting(99, EVIL, "OVERLAP", MESSAGE, (command, command))])
    bad = SimpleNamespace(line=7, column_name=EVIL, raw=RTL, code="DURATION", message=MESSAGE)
    bad.upload_id, bad.filename = 1, LONG
    rejected: Any = _Rows([bad], [[1_234]])
    unmatched: Any = _Rows([
        SimpleNamespace(
            titles=1_234, all_hours=_HOURS, series=LONG, season=1, episode=2, content_name=EVIL, content_id=None,
            platform="canonical", status="review", rows=44, hours=_HOURS, reasons=[{"code": "BELOW_CUT"}], key="0" * 32,
        )
    ])  # fmt: skip
    tables = (asked, rejected_table(rejected, [1]), unmatched_table(unmatched, [1]))
    return [*rate_sections(match_rates(uploads, found)), *fate_sections(uploads, found), *filter(None, tables)]


def _run(folder: Path) -> Report:
    reports = {"upload": _upload(folder), **{name: _phase(name)(folder) for name in PHASES}}
    return merge(reports)


def _reprocess(_: Path) -> Report:
    result = Reprocessed(version=9, since=8, keys=12_345, seconds={"match": 4.5})
    for number, name in enumerate(("canonical", "a-platform-with-a-long-name", RTL), 1):
        result.platforms[name] = PlatformResult(400, 40, 1_200 * number, 30, 7, _HOURS, Decimal(4))
    report = reprocess._report(result, dry_run=True, held={})
    report.sections.append(next_section("telecine viewership reprocess --platform 'a-platform-with-a-long-name' --all"))
    return report


def _retract(_: Path) -> Report:
    sums = (FateSum("final", None, 9_000, _HOURS, Decimal(0)), FateSum("held", "NO_DEAL", 120, Decimal(4), Decimal(0)))
    before = Fates(sums, (), 9_120, _HOURS + 4, Decimal(0))
    headline = f"upload 7 ({LONG}) is retracted: 9,000 final rows removed; the same bytes may be uploaded again"
    return Report(headline=headline, counts={"removed": 9_000}, sections=list(retract._charts(before)))


def _verify(_: Path) -> Report:
    check = Check("final rows", checked=12_345)
    for number, name in enumerate((*NAMES, *(f"key {each}" for each in range(90)))):
        check.add(Finding("DETAIL", MESSAGE, upload_id=number, line=7, item=name), 3)
    check.add(Finding("DETAIL_STALE", MESSAGE, upload_id=1), 40)
    pair = (12_345, _HOURS, Decimal(0), 3)
    sums = [Sums(number, name, "canonical", pair, pair) for number, name in enumerate(NAMES * 20)]
    audit = Audit(len(sums), [check, Check("sums", checked=240)], sums, {"final rows": 4.5, "sums": 0.5}, {})
    return verify._report(VerifySettings(), audit)


def _sample(folder: Path) -> Report:
    return sample.run(SampleSettings(output=f"file://{folder}"), MemoryStageRun(pipeline="viewership"))  # type: ignore[arg-type]


def _import(_: Path) -> Report:
    changes = {"series_added": 4, "episode_added": 1_204, "episode_changed": 40, "deal_removed": 1}
    bad = [Failure(f"episodes.csv, line {number}", "CATALOG", MESSAGE) for number in range(60)]
    headline = "version 9: 1,208 added, 40 changed, 1 removed"
    return Report(headline=headline, counts={"rows": 1_300}, failures=bad, sections=list(catalog._changes(changes)))


REPORTS: dict[str, Callable[[Path], Report]] = {
    "catalog import": _import,
    "upload": _upload,
    **{name: _phase(name) for name in PHASES},
    "run": _run,
    "reprocess": _reprocess,
    "retract": _retract,
    "verify": _verify,
    "sample": _sample,
}
