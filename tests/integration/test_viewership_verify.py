"""Verify: silent on sound rows; names every kind of damage; tells damage from a changed catalogue; writes nothing."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs.viewership.settings.audit import VerifySettings
from jobs.viewership.steps import verify as step
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import Database, database, postgres  # noqa: F401
from tests.viewership_store import Store

if TYPE_CHECKING:
    from shared.report import Report

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]


@pytest.fixture
def store(database: Database, tmp_path: Path) -> Store:
    made = Store(database, tmp_path)
    made.catalogue()
    return made


def verified(store: Store, **values: Any) -> Report:
    settings = VerifySettings(database_url=store.database.url, bucket=store.bucket, **values)
    return step.run(settings, MemoryStageRun(run_id="run-1", stage="verify"))


def test_sound_rows_have_no_finding(store):
    store.stored()
    report = verified(store, reread=True)
    print(store.database.rows("select * from viewership.reconciliation"))
    print(report.sections)
    print(report.failures)
    assert (report.exit_code, report.counts["wrong"], report.counts["stale"]) == (0, 0, 0)
