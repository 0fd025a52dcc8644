"""Reports of trakt."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from jobs.trakt.api.client import Tally
from jobs.trakt.audit.model import Check
from jobs.trakt.bronze.compaction import CompactionReport
from jobs.trakt.bronze.erase import EraseReport
from jobs.trakt.bronze.report import LoadReport
from jobs.trakt.bronze.vacuum import VacuumReport
from jobs.trakt.gold.build import TABLES, Build, GoldFile
from jobs.trakt.gold.publish import Published
from jobs.trakt.gold.vacuum import StoredBuild
from jobs.trakt.ingest.page_counts import MissingPages
from jobs.trakt.ingest.run import Run
from jobs.trakt.model import TitleRef
from jobs.trakt.modelling.build import Built
from jobs.trakt.modelling.results import ModelResult, ModelTest, Results
from jobs.trakt.settings import (
    EraseSettings,
    IngestSettings,
    ModelSettings,
    PublishSettings,
    TraktVacuumSettings,
    VerifySettings,
)
from jobs.trakt.slo import page
from jobs.trakt.slo.alerts import Alert
from jobs.trakt.slo.freshness import Freshness
from jobs.trakt.slo.ledger import MissingPage, PageCount, Title, Traffic
from jobs.trakt.slo.levels import DayLevels, TitleDay
from jobs.trakt.slo.store import StoredDay
from jobs.trakt.steps import erase, ingest, model, publish, slo, vacuum, verify
from jobs.trakt.steps.run import merge
from shared.failure import Failure
from shared.slo.days import Day
from tests.reports.names import MESSAGE, NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.report import Report

__all__ = ["REPORTS"]

_TODAY = date(2026, 11, 30)
_RESOURCES = ("comments", "ratings", "updates")


def _ingest(_: Path) -> Report:
    done = Run(titles=40, planned=40, tally=Tally(requests=1_250, retries=4, bytes=48_000_000, waited_s=61.5))
    done.failures = [Failure(name, "API_DOWN", MESSAGE, retryable=True) for name in NAMES]
    done.loads = [LoadReport("run-1-1", version=7, rows=Counter(comment=12_345, rating=40))]
    pages: Counter[tuple[str, str, str]] = Counter()
    for number, resource in enumerate(_RESOURCES, 1):
        pages[resource, "good", ""] = 1_200 // number
        pages[resource, "failed", "API_DOWN"] = 4 * number
        pages[resource, "skipped", "OVERLOADED"] = number
    report = ingest._report(IngestSettings(), done, pages)
    missing = [MissingPages(TitleRef("show", 7), name, "comments", "API_DOWN", 1) for name in NAMES]
    report.sections.append(ingest._missing(missing, report))
    return report


def _erase(_: Path) -> Report:
    found = EraseReport(names=2, rows=1_204, files=3, pages=41, dead_letters=1, version=9, last_bytes=_TODAY)
    return erase._report(EraseSettings(user=SecretStr("someone")), found, "removed")


def _model(_: Path) -> Report:
    models = [ModelResult(f"mart_title_{number:02d}_daily", "success", 3.5 / number, "") for number in range(1, 16)]
    tests = [ModelTest(f"not_null_{number}", models[0].name, "pass", 0, "", is_anomaly=False) for number in range(40)]
    tests.append(ModelTest("volume", models[1].name, "warn", 3, MESSAGE, is_anomaly=True))
    rows = {"stg_trakt__comment_event": 562_000, "dim_title": 2_000, **dict.fromkeys(TABLES, 56000)}
    built = Built(
        "built", 7, "b-7", "2026-11-30", loads=3, files=12, bytes_read=48_000_000,
        file=Path(f"/srv/{'models/' * 12}b-7"), rows=rows, sizes=dict.fromkeys(TABLES, 4_000_000),
        results=Results(models, tests), seconds={"dbt": 31.5, "export": 4},
    )  # fmt: skip
    return model._report(ModelSettings(), built)


def _publish(_: Path) -> Report:
    file = GoldFile(file="a.parquet", rows=56_000, sha256="0" * 64, replaces="all")
    build = Build(
        build_id="b-7", format=1, bronze_version=7, project_hash="0" * 64, as_of=_TODAY, run_id="run-1",
        source_system="replay", tables=dict.fromkeys(TABLES, file),
    )  # fmt: skip
    done = {table: Published(2_000, 40, 53_960, 3) for table in TABLES}
    seconds = {"wait": 0.1, "read": 1.0, "publish": 4.0}
    report = publish._report(PublishSettings(), build, done, dict.fromkeys(TABLES, 4_000_000), seconds)
    quadrants = {
        "movie": {"phenomenon": 12, "quiet": 401, "insufficient": 1_200},
        "show": {"cult": 30, "broad_hit": 44, "borderline": 90},
    }
    report.sections[:0] = publish._charts(done, quadrants)
    return report


def _slo(_: Path) -> Report:
    at = datetime(2026, 11, 30, 16, 30, tzinfo=UTC)
    titles = []
    for number, name in enumerate((*NAMES, *(f"Title {each}" for each in range(60)))):
        title = Title(TitleRef("show", number + 1), name, at - timedelta(days=60), None)
        fresh = Freshness(
            "FEED_MISSING" if number % 2 else None, None if number % 2 else at, at, None, at, was_named=False
        )
        titles.append(TitleDay(title, fresh, 61.5 if number % 2 else None, PageCount(10, 9)))
    traffic = Traffic(1_250, 12, 4, 10, 9, 12_345, 40, 3)
    last = DayLevels(Day(_TODAY), True, titles, at, (1_250, 1_241), {"API_DOWN": 9}, traffic, was_ingested=True)
    days = [
        StoredDay(_TODAY - timedelta(days=27 - number), True, 70, 70 - number % 3, 1_250, 1_249, 1, 1, 0, None, 3, 9, 1)
        for number in range(28)
    ]
    missing = [MissingPage(_TODAY, TitleRef("show", 1), name, "comments", 3, "API_DOWN", 5, 503) for name in NAMES]
    alerts = [Alert("breach", _TODAY, MESSAGE, is_new=True)]
    report = slo._report([last], days, alerts, 1)
    report.sections = page.sections(page.View(last, slo._window(days), days, missing, alerts, 20))
    return report


def _verify(_: Path) -> Report:
    checks = [Check(name, checked=12_345) for name in ("pages", "bronze", "silver", "gold")]
    for name in (*NAMES, *(f"page {number}" for number in range(90))):
        checks[0].add("PAGE_MISSING", name, MESSAGE)
    checks[3].add("GOLD_STALE", "gold.trakt_titles", MESSAGE, 200)
    return verify._report(VerifySettings(), checks)


def _vacuum(_: Path) -> Report:
    made = CompactionReport(9, 412, 14, 96_000_000, 61_000_000, 0.4, 0.03, 9)
    at = datetime(2026, 11, 1, tzinfo=UTC)
    builds = [
        StoredBuild(
            f"b-{number}-{'0' * 60}", 4_000_000, at, number < 3, "older than 7 days" if number < 3 else "current"
        )
        for number in range(5)
    ]
    return vacuum._report(TraktVacuumSettings(), VacuumReport(made, 398), builds)


def _run(folder: Path) -> Report:
    stages = {"ingest": _ingest, "model": _model, "publish": _publish, "slo": _slo}
    return merge({name: make(folder) for name, make in stages.items()})


REPORTS: dict[str, Callable[[Path], Report]] = {
    "ingest": _ingest,
    "backfill": _ingest,
    "erase": _erase,
    "model": _model,
    "publish": _publish,
    "slo": _slo,
    "run": _run,
    "verify": _verify,
    "vacuum": _vacuum,
}
