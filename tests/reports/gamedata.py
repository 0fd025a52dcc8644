"""Reports of gamedata."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from jobs.gamedata.extraction.batches import BatchResult, Item, ItemResult
from jobs.gamedata.extraction.passed_over import PACKED, PassedOver
from jobs.gamedata.extraction.tally import ExtractTally
from jobs.gamedata.extraction.worklist import Worklist
from jobs.gamedata.manifest.report import report_of
from jobs.gamedata.sample.kinds import KINDS
from jobs.gamedata.sample.tar import key_of
from jobs.gamedata.settings import ManifestSettings, PlanSettings, VerifySettings
from jobs.gamedata.steps import manifest, plan, publish, sample, verify
from jobs.gamedata.steps.run import merge
from shared.database.merge import Merged
from shared.failure import Failure
from shared.report import Report, Table
from tests.fakes import parts
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.store import MemoryStore
from tests.reports.names import EVIL, LONG, MESSAGE, NAMES, RTL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobs.gamedata.gold.pages import Pages

__all__ = ["REPORTS"]


def _plan(folder: Path) -> Report:
    for number in range(25):
        place = folder / "in" / f"2026/session-{number:02d}.tar"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"\0" * 4096 * (number + 1))
    (folder / "in/2026/packed.tar.gz").write_bytes(b"\0")
    (folder / "lines").write_text("2026/nothing-there.tar\n2026/session-01.tar\n2026/session-02.tar\n")
    settings = PlanSettings(
        source_bucket=f"file://{folder}/in",
        manifest_bucket=f"file://{folder}/out",
        output_path=str(folder / "m.parquet"),
        workers=2,
    )
    return plan.run(settings, MemoryStageRun(stage="plan"))  # type: ignore[arg-type]


def _item(key: str, number: int, code: str | None = None) -> ItemResult:
    item = Item(key, 200_000_000 + 7_000_000 * number, "etag")
    if code:
        return ItemResult(item, code, MESSAGE, number % 2 == 0, 0.02, 0.01, 4_096, 0)
    return ItemResult(
        item, None, None, False, 0.8 + number / 3, 0.3, 4_000_000, 18_000_000, 0.4, 600.0, 35, 0, 29, "ranges"
    )


def _extract(_: Path) -> Report:
    skipped = PassedOver()
    skipped.add(PACKED, LONG)
    before = [Failure("2026/quarantined.tar", "decode_failed", MESSAGE)]
    tally = ExtractTally(Worklist(done=1_234, failed_before=before, passed_over=skipped), workers=2)
    good = [_item(f"2026/session-{number:04d}.tar", number) for number in range(18)]
    bad = [_item(name, number, "moov_missing") for number, name in enumerate(NAMES)]
    tally.durations["extract"] = 12.0
    for number, items in enumerate((good[:9], [*good[9:], *bad])):
        seconds = sum(item.seconds for item in items)
        tally.add(BatchResult(number, "part", tuple(items), f"host:{number}", seconds, (), "cpu", None))
    return tally.report(max_failed=None)


def _manifest(_: Path) -> Report:
    store = MemoryStore()
    rows = [parts.part_row(f"2026/plain-{number:03d}.tar", times=(3.0, 6.0)) for number in range(220)]
    black = parts.dark("2026/black.tar", input_events=0, input_desk_s=0, input_keyboard=0, input_mouse=0)
    flagged = [parts.dark(EVIL), parts.bars(LONG), parts.menu(RTL, share=0.9), black]
    errors = [parts.error_row(f"2026/cut-{number:02d}.tar") for number in range(12)]
    parts.commit(store, *rows, *flagged, *errors)
    settings = ManifestSettings(manifest_bucket="s3://memory")
    made = manifest.build(store, settings, MemoryStageRun())  # type: ignore[arg-type]
    report = report_of(made, store, settings, manifest.failures_of(made.table))
    report.outputs = {"manifest": "s3://a-bucket/with/a/long/prefix/game-data-manifest/manifest-of-2026-11-30.parquet"}
    return report


def _run(folder: Path) -> Report:
    return merge({"extract": _extract(folder), "manifest": _manifest(folder)})


def _verify(_: Path) -> Report:
    found = verify._Findings()
    for number in range(300):
        found.add({"pt_key": f"{number}.pt", "s3_key": f"2026/{number:03d}.tar"}, "" if number < 60 else "pt_missing")
    for name in NAMES:
        found.others.append((name, "pt_unrecorded"))
    return verify._report(found, VerifySettings(manifest_bucket="s3://memory", dry_run=True))


def _publish(_: Path) -> Report:
    totals = Counter({"error": 12, "dark": 130, "menu": 44, "empty": 3, "dpi_scale": 1_250})
    table = Table("Frames, inputs and sprites", ["sessions with", "count"], [["frames and inputs", 1_200]])
    pages: Any = SimpleNamespace(bars=lambda: [("gold.gamedata_frames", [900, 0, 9_000, 12])], section=lambda: table)
    sections = publish._sections(Merged(120, 3, 12_345, 1), cast("Pages", pages), totals)
    return Report(
        headline="12,469 sessions published: 120 new, 3 changed, 12,345 unchanged, 1 removed",
        counts={"sessions": 12_469, "inserted": 120, "updated": 3, "unchanged": 12_345, "removed": 1},
        rates={"rows_per_s": 1234.5},
        sections=sections,
    )


def _sample(_: Path) -> Report:
    record = {key_of(name): {"size": 1_234_567} for name in KINDS}
    sections = [sample._table(KINDS, record), sample._truths(list(KINDS))]
    return Report(counts={"written": len(KINDS), "unchanged": 0}, bytes={"written": 30_000_000}, sections=sections)


REPORTS: dict[str, Callable[[Path], Report]] = {
    "plan": _plan,
    "extract": _extract,
    "manifest": _manifest,
    "run": _run,
    "verify": _verify,
    "publish": _publish,
    "sample": _sample,
}
