"""A database, a bucket and a replayer for tests of the ingest, and what they compare."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from jobs.trakt.replayer.server import running
from jobs.trakt.settings import BackfillSettings, IngestSettings
from jobs.trakt.steps.ingest import run
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import database  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jobs.trakt.replayer.server import Running
    from jobs.trakt.settings.ingest import ReadSettings
    from shared.report import Report
    from tests.postgres_server import Database

__all__ = ["TraktPlace", "trakt"]


class TraktPlace:
    """A migrated database, a folder as the bucket, and a replayer.

    Args:
        database: the database.
        folder: a folder of the test.
        served: the replayer.
    """

    def __init__(self, database: Database, folder: Path, served: Running) -> None:
        self.database = database
        self.folder = folder
        self.served = served
        self.number = 0

    @property
    def site(self) -> Any:
        return self.served.site

    def titles(self) -> list[dict[str, Any]]:
        return list(self.site.truth().summary()["titles"])

    def watch_list(self, *numbers: int) -> str:
        """Write a watch list of titles of the site, by default all of them."""
        found = self.titles()
        chosen = [found[number] for number in numbers] if numbers else found
        path = self.folder / "titles.txt"
        path.write_text("".join(f"{each['kind']}:id:{each['trakt']}\n" for each in chosen), encoding="utf-8")
        return str(path)

    def values(self, **values: Any) -> dict[str, Any]:
        return {
            "database_url": self.database.url,
            "bucket": f"file://{self.folder}/bucket",
            "state_dir": str(self.folder / "state"),
            "base_url": self.served.url,
            "source_system": "replay",
            "request_quota": 0,
            "advance_replayer": True,
            "backoff_seconds": 0.01,
            **values,
        }

    def ingest(self, **values: Any) -> Report:
        return self.run(IngestSettings(**self.values(**values)))

    def backfill(self, **values: Any) -> Report:
        return self.run(BackfillSettings(**self.values(**values)))

    def run(self, settings: ReadSettings) -> Report:
        self.number += 1
        return run(settings, MemoryStageRun(f"run-{self.number}", "trakt", "ingest"))  # type: ignore[arg-type]

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.database.rows(statement, *values)

    def statuses(self) -> dict[str, int]:
        return dict(self.rows("SELECT status, count(*) FROM trakt.pages GROUP BY 1"))

    def tomorrow(self, days: int = 1, *, site: bool = True) -> None:
        """Let days pass on the site, and in the times that decide what is due."""
        for _ in range(days if site else 0):
            self.site.world.advance_to(self.site.clock.advance(86_400_000))
        self.rows(
            "UPDATE trakt.titles SET next_sweep_at = next_sweep_at - make_interval(days => %s),"
            " resolved_at = resolved_at - make_interval(days => %s)",
            days,
            days,
        )
        self.rows(
            "UPDATE trakt.sweeps SET started_at = started_at - make_interval(days => %s),"
            " ended_at = ended_at - make_interval(days => %s)",
            days,
            days,
        )
        self.rows("UPDATE trakt.named_titles SET named_at = named_at - make_interval(days => %s)", days)
        self.rows("UPDATE trakt.pages SET planned_at = planned_at - make_interval(days => %s)", days)

    def bronze(self) -> dict[tuple[str, int], set[int]]:
        """Return the comments of each title that bronze has: by its newest row, a comment is there or deleted."""
        from deltalake import DeltaTable

        columns = ["resource_kind", "title_kind", "title_id_trakt", "comment_id", "observed_at", "season"]
        table = DeltaTable(str(self.folder / "bucket" / "bronze" / "trakt")).to_pyarrow_table(columns=columns)
        rows = [row for row in table.to_pylist() if row["resource_kind"] in ("comment", "comment_gone")]
        titles: dict[int, tuple[str, int]] = {}
        there: dict[int, bool] = {}
        for row in sorted(rows, key=lambda each: each["observed_at"]):
            number = row["comment_id"]
            there[number] = row["resource_kind"] == "comment" and row["season"] is None
            # A comment that was asked for alone does not name its title.
            if row["title_kind"] is not None:
                titles[number] = (row["title_kind"], row["title_id_trakt"])
        found: dict[tuple[str, int], set[int]] = {}
        for number in (number for number, exists in there.items() if exists and number in titles):
            found.setdefault(titles[number], set()).add(number)
        return found

    def truth(self) -> dict[tuple[str, int], set[int]]:
        """Return the visible top-level comments of each title now."""
        found: dict[tuple[str, int], set[int]] = {}
        for each in self.site.truth().comments():
            if each["type"] in ("movie", "show"):
                key = (each["type"], each[each["type"]]["ids"]["trakt"])
                found.setdefault(key, set()).add(each["comment"]["id"])
        return found

    def asked(self) -> Counter[str]:
        """Return the requests of the journal by path."""
        return Counter(entry.target.split("?")[0] for entry in self.site.journal)


@pytest.fixture
def trakt(database: Database, tmp_path: Path) -> Any:
    """A function that serves a scenario, and returns the place."""

    @contextmanager
    def serve(scenario: str, seed: int = 1, **options: Any) -> Iterator[TraktPlace]:
        with running(scenario, seed, quota=0, **options) as served:
            yield TraktPlace(database, tmp_path, served)

    return serve
