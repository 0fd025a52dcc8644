"""Files, a catalogue and a database for viewership under SIGKILL, and what two runs of the same work have in common."""

from __future__ import annotations

import functools
import os
import shutil
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from tests.postgres_server import until
from tests.viewership_place import ViewershipPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.kills.killer import Child, Operation, Programs
    from tests.postgres_server import Database

__all__ = ["ALL", "HEAD", "ROWS", "Scene", "final_commit"]

ALL: Final = os.environ.get("TELECINE_TEST_KILLS") == "all"
"""Kill before every operation, not before a sample of them."""

HEAD: Final = "Series,Season,Episode,Title,Date,Hours\n"
ROWS: Final = (
    "Calm River,1,1,The Storm,2025-07-01,1.5\n"
    "Calm River,1,2,The Calm,2025-07-02,2\n"
    "Calm River,,,The Longest Leter From Home,2025-07-02,0.25\n"
    "Calm River,,,Somewhere Else Entirely,2025-07-03,4\n"
)
RUN: Final = "ledger-run"
_KEYS: Final = "platform, content_name, series, season, episode, title_key, review_key"
_SAVED: Final = ("viewership", "catalog")
# The beginning of the statement that takes rows to the final table and out of it.
_SYNC: Final = "SELECT loaded, removed"


class Scene(ViewershipPlace):
    """A place whose tables can be saved and restored, and whose steps run in processes that can be killed.

    Args:
        folder: contains the bucket and the files.
        programs: runs steps.
        database: has the tables and the ledger.
    """

    def __init__(self, folder: Path, programs: Programs, database: Database) -> None:
        folder.mkdir(exist_ok=True)
        super().__init__(database, folder)
        self._programs = programs
        self._connection = database.connect()
        # Name -> its columns, without generated ones.
        self._tables = dict(
            self._rows(
                "SELECT format('%I.%I', table_schema, table_name), string_agg(quote_ident(column_name), ', ')"
                " FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)"
                f" WHERE table_type = 'BASE TABLE' AND table_schema IN {_SAVED!r} AND is_generated = 'NEVER'"
                " GROUP BY table_schema, table_name ORDER BY 1"
            )
        )

    def close(self) -> None:
        """Close its connection."""
        self._connection.close()

    def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(statement)
        return cursor.fetchall() if cursor.description else []

    def rows(self, statement: str) -> list[Any]:
        """Return rows, on one connection, since this is called very often."""
        return [tuple(row) for row in self._rows(statement)]

    def save(self) -> None:
        """Save the tables and the bucket for :meth:`restore`."""
        copies = "".join(f'CREATE TABLE saved."{name}" AS TABLE {name};' for name in self._tables)
        self._rows(f"DROP SCHEMA IF EXISTS saved CASCADE; CREATE SCHEMA saved; {copies}")
        shutil.rmtree(self.folder / "saved", ignore_errors=True)
        if (self.folder / "viewership").exists():
            shutil.copytree(self.folder / "viewership", self.folder / "saved")

    def restore(self) -> None:
        """Restore the saved tables and the bucket, and empty the ledger. Sequences continue: numbers of rows differ."""
        shutil.rmtree(self.folder / "viewership", ignore_errors=True)
        if (self.folder / "saved").exists():
            shutil.copytree(self.folder / "saved", self.folder / "viewership")
        copies = "".join(
            f'INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM saved."{name}";'
            for name, columns in self._tables.items()
        )
        deletions = "".join(f"DELETE FROM {name};" for name in self._tables)
        # With few rows, a deletion takes a tenth of the time of TRUNCATE, which makes new files for tables and indexes.
        self._rows(
            "BEGIN; DELETE FROM pipeline.runs; SET LOCAL session_replication_role = replica;"
            f" {deletions} {copies} COMMIT"
        )

    def start(self, *step: str, run_id: str = RUN, free: bool = False) -> Child:
        """Start a step: ``("run", FILE)`` or ``("sql", STATEMENT)``."""
        return self._begin(functools.partial(self._programs.start, free=free), step, run_id)

    def complete(self, *step: str, codes: tuple[int, ...] = (0,)) -> Child:
        """Run a step to the end, undisturbed."""
        child = self._begin(self._programs.run, step, RUN)
        assert child.code in codes, f"exit {child.code}\n{child.said()}"
        return child

    def _begin(self, how: Callable[..., Child], step: Sequence[str], run_id: str) -> Child:
        name, *words = step
        env = {"TELECINE_DATABASE_URL": self.database.url, "TELECINE_RUN_ID": run_id}
        if name != "sql":
            usual = [] if name.startswith("review") else ["--report-dir", f"./report-{run_id}"]
            usual += ["--bucket", "./viewership"] if name in ("run", "upload") else []
            name, words = f"viewership {name}", [*words, *usual]
        return how(name, *words, env=env, cwd=str(self.folder))

    def wait(self) -> None:
        """Wait until the server has noticed its dead clients and rolled back their transactions."""
        count = (
            f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{self.database.name}' AND state <> 'idle'"
            " AND pid <> pg_backend_pid()"
        )
        until(lambda: self.rows(count) == [(0,)])

    def outcome(self) -> dict[str, list[Any]]:
        """Return all tables without numbers of sequences and times."""
        found = self.everything()
        found["keys"] = sorted(self.rows(f"SELECT {_KEYS} FROM viewership.keys"), key=str)
        found["replaced_details"] = sorted(
            self.rows("SELECT label, platform, ref_id, hours, date, bucket FROM viewership.replaced_details"), key=str
        )
        found["decisions"] = self.rows(
            "SELECT action, note, decided_by, undone_by FROM viewership.decisions ORDER BY decision_id"
        )
        found["aliases"] = self.rows("SELECT title_key, series_key, undone_by FROM catalog.aliases ORDER BY id")
        return found

    def final_rows(self) -> list[Any]:
        """Return the final rows of all uploads."""
        return sorted(self.rows("SELECT ref_id, hours, date, bucket FROM viewership.episode_details"), key=str)

    def check(self) -> None:
        """Check that the final table has what is due, and that every loaded row has one fate."""
        assert self.is_due()
        differences = self.rows(
            "SELECT u.filename FROM viewership.uploads u JOIN"
            " (SELECT upload_id, sum(units) AS units, sum(hours) AS hours FROM viewership.reconciliation"
            " GROUP BY upload_id) r USING (upload_id)"
            " WHERE u.status IN ('read', 'normalized', 'matched', 'loaded', 'partial')"
            " AND (u.units, u.hours) IS DISTINCT FROM (r.units, r.hours)"
        )
        assert differences == []


def final_commit(trace: list[Operation]) -> int:
    """Return the number of the commit of the final rows; of a decision, that of the longest transaction."""
    commits = [number for number, operation in enumerate(trace) if operation.name == "commit"]
    sizes = {}
    for earlier, later in pairwise([0, *commits]):
        synced = any(operation.subject == _SYNC for operation in trace[earlier:later])
        sizes[later] = (synced * later, later - earlier)
    return max(sizes, key=lambda number: sizes[number])
