"""A database and a bucket for tests of viewership's commands, and the tables that a test compares."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from jobs.viewership.catalog.import_ import import_files
from jobs.viewership.settings.uploads import RetractSettings, RunSettings, UploadSettings
from jobs.viewership.steps import retract, run, upload
from jobs.viewership.tables.fates import fates
from shared.database.session import transaction
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import database  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path

    from shared.report import Report
    from tests.postgres_server import Database

__all__ = ["CATALOGUE", "DEALS", "ViewershipPlace", "viewership"]

CATALOGUE = """ref_id,series,season,episode,title,content_provider
CR-0101,Calm River,1,1,The Storm,Acme
CR-0102,Calm River,1,2,The Calm,Acme
CR-0103,Calm River,1,3,The Longest Letter From Home,Acme
LH-0101,Lost Harbor,1,1,Arrival,Acme
"""
DEALS = """platform,deal_parent,internal_channel,internal_territory
canonical,77,Main,US
philo,78,Main,US
"""

# What two runs of the same work have in common: no numbers that a sequence gives, and no times.
_SAME = {
    "uploads": "sha256, canonical_sha256, object_key, filename, platform, label, format, status, code, units, hours,"
    " revenue, unparsable, first_date, last_date",
    "set_aside_rows": "line, position, fate, code, column_name, raw, hours, revenue",
    "platform_viewership": "line, position, platform_content_name, platform_series, tot_hov, tot_mov, revenue, date,"
    " week, day, quarter, year_month_day",
    "scopes": "platform, domain, platform_channel_name, platform_territory, date, deal_parent, channel, territory,"
    " code",
    "matches": "status, bucket, confidence, reasons",
    "episode_details": "label, platform, ref_id, asset_title, asset_series, deal_parent, channel, territory, hours,"
    " minutes, payment_amount, date, bucket",
}


class ViewershipPlace:
    """A migrated database and a folder as the bucket.

    Args:
        database: the database.
        folder: a folder of the test.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self._runs = 0

    @property
    def bucket(self) -> str:
        return f"file://{self.folder}/viewership"

    def settings(self, model: type[Any], **values: Any) -> Any:
        return model(database_url=self.database.url, state_dir=str(self.folder / "state"), **values)

    def catalogue(self, episodes: str = CATALOGUE, deals: str = DEALS, **more: str) -> int:
        files = {"episodes.csv": episodes, "deals.csv": deals, **{f"{name}.csv": text for name, text in more.items()}}
        with transaction(self.database.settings()) as session:
            done = import_files(
                session, [(name, text.encode()) for name, text in files.items() if text], source="test", by="test"
            )
        assert not done.plan.bad, done.plan.bad
        return done.version

    def file(self, name: str, text: str | bytes) -> str:
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    def run(self, *files: str, **values: Any) -> Report:
        return self._step(run.run, RunSettings, "upload", files=files, **values)

    def upload(self, *files: str, **values: Any) -> Report:
        return self._step(upload.run, UploadSettings, "upload", files=files, **values)

    def retract(self, number: int, reason: str = "wrong", by: str = "ann") -> Report:
        settings = self.settings(RetractSettings, number=number, reason=reason, by=by)
        return retract.run(settings, self.stage("retract"))

    def _step(self, function: Any, model: type[Any], stage: str, **values: Any) -> Report:
        return function(self.settings(model, bucket=self.bucket, **values), self.stage(stage))

    def stage(self, name: str) -> Any:
        self._runs += 1
        return MemoryStageRun(run_id=f"run-{self._runs}", pipeline="viewership", stage=name)

    def rows(self, statement: str) -> list[Any]:
        return [tuple(row) for row in self.database.rows(statement)]

    def statuses(self) -> list[Any]:
        return self.rows("SELECT upload_id, filename, status FROM viewership.uploads ORDER BY upload_id")

    def final(self) -> tuple[int, Decimal]:
        [found] = self.rows("SELECT count(*), COALESCE(sum(hours), 0) FROM viewership.episode_details")
        return found

    def fates(self, upload_id: int) -> dict[str, int]:
        """The rows of an upload by fate and code; they add up to the file."""
        with transaction(self.database.settings()) as session:
            found = fates(session, upload_id)
        assert found.difference == (0, Decimal(0), Decimal(0))
        return {f"{each.fate} {each.code}" if each.code else each.fate: each.units for each in found.sums}

    def everything(self) -> dict[str, list[Any]]:
        """All tables, without numbers of a sequence and times."""
        return {
            name: sorted(self.rows(f"SELECT {columns} FROM viewership.{name}"), key=str)
            for name, columns in _SAME.items()
        }

    def is_due(self) -> bool:
        """Return whether the final table has exactly the rows that are due."""
        columns = "viewership_id, label, upload_id, key_id, episode_id, hours, payment_amount"
        due, there = (f"SELECT {columns} FROM viewership.{name}" for name in ("due_details", "episode_details"))
        return not self.rows(f"({due} EXCEPT ALL {there}) UNION ALL ({there} EXCEPT ALL {due})")


@pytest.fixture
def viewership(database: Database, tmp_path: Path) -> ViewershipPlace:
    """A database without a catalogue, and an empty bucket."""
    return ViewershipPlace(database, tmp_path)
