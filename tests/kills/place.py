"""A folder for a run, and the results to compare: rows and hashes, never times."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from jobs.gamedata.parts.store import list_parts, read_parts, read_rows
from shared.storage.file import FileStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.kills.killer import Child, Programs
    from tests.postgres_server import Database

__all__ = ["BAD", "BODIES", "FLAGS", "Place", "ledger_of"]

# With a frozen clock the bytes of a .pt file are the same in every run.
AT = "2026-01-01T00:00:00+00:00"
BAD = "c"
BODIES = {f"{name}.tar": f"body of {name}".encode() for name in ("a", "b", BAD, "d/e", "d/f", "g")}
FLAGS = ("--source-bucket", "./tars", "--manifest-bucket", "./out", "--workers", "1", "--report-dir", "./report")
OUTPUT = ("--output-path", "./published/manifest.parquet")
# Columns that may differ between runs and attempts.
_VOLATILE = ("generation", "worker", "seconds", "cpu_s", "pt_etag")
_DAYS_S = 2 * 24 * 3600


class Place:
    """TARs and the results of a run on them.

    Args:
        folder: folder to create; its name is the run id.
        tars: TARs that all places link to, so that their ETags are the same everywhere.
        programs: process that starts steps.
        database: database of the ledger.
    """

    def __init__(self, folder: Path, tars: Path, programs: Programs, database: Database) -> None:
        self.folder = folder
        self.run_id = folder.name
        self._programs = programs
        self.database = database
        self.out = FileStore(folder / "out")
        for key in BODIES:
            path = folder / "tars" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.hardlink_to(tars / key)

    @staticmethod
    def fill(tars: Path) -> None:
        """Write the TARs that all places link to."""
        for key, body in BODIES.items():
            path = tars / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)

    def start(self, step: str = "run", *flags: str, run_id: str | None = None, **options: Any) -> Child:
        """Start a step; see :meth:`tests.kills.killer.Programs.start`."""
        return self._begin(self._programs.start, step, flags, run_id, options)

    def run(
        self, step: str = "run", *flags: str, code: int | None = 0, run_id: str | None = None, **options: Any
    ) -> Child:
        """Run a step to the end, undisturbed; it ends with any code if ``code`` is None."""
        child = self._begin(self._programs.run, step, flags, run_id, options)
        assert code in (None, child.code), f"exit {child.code} instead of {code}\n{child.said()}"
        return child

    def _begin(
        self, how: Callable[..., Child], step: str, flags: Sequence[str], run_id: str | None, options: dict[str, Any]
    ) -> Child:
        given = {
            "decoded": str(self.folder / "decoded"),
            "fail": {f"body of {BAD}": "video_missing"},
            "at": AT,
            "many": 2,
            "cwd": str(self.folder),
            **options,
        }
        env = {"TELECINE_DATABASE_URL": self.database.url, "TELECINE_RUN_ID": run_id or self.run_id}
        usual = FLAGS if step in ("run", "extract") else FLAGS[2:4] + FLAGS[6:]
        if step == "compact":
            usual = ("./out",)
        output = OUTPUT if step in ("run", "manifest") else ()
        return how(step, *usual, *output, *flags, env=env, **given)

    def outcome(self, run_id: str | None = None) -> dict[str, Any]:
        """Return the final results: rows, files, manifest and ledger."""
        return {
            "parts": self.rows(run_id),
            "pt": self.hashes(),
            "manifest": {row["s3_key"]: row | {"processed_time": None} for row in self.manifest()},
            "ledger": ledger_of(self.database, run_id or self.run_id),
        }

    def rows(self, run_id: str | None = None) -> dict[str, dict[str, Any]]:
        """Return the current row of each TAR; ``run_id`` says whether this run wrote it."""
        return {row["s3_key"]: _steady(row, run_id or self.run_id) for row in read_parts(self.out).to_pylist()}

    def manifest(self) -> list[dict[str, Any]]:
        """Return the rows of the manifest; none if it does not exist."""
        path = self.folder / "published/manifest.parquet"
        return pq.read_table(path).to_pylist() if path.exists() else []

    def report(self) -> dict[str, Any]:
        """Return ``report.json`` of the last step."""
        document: dict[str, Any] = json.loads((self.folder / "report/report.json").read_text())
        return document

    def damage(self, key: str) -> None:
        """Flip a bit in the middle of a ``.pt`` file."""
        path = self.folder / "out" / key
        body = bytearray(path.read_bytes())
        body[len(body) // 2] ^= 1
        path.write_bytes(body)

    def hashes(self) -> dict[str, str]:
        """Return the sha256 of each ``.pt`` file."""
        root = self.folder / "out"
        files = sorted(root.rglob("*.pt"))
        return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def committed(self) -> set[str]:
        """Return the keys of committed TARs: with a row, and with the ``.pt`` file that the row records."""
        if not (self.folder / "out").is_dir():
            return set()
        assert len(read_rows(self.out)) >= len(list_parts(self.out)), "a part cannot be read"
        present = {info.key: info.etag for info in self.out.list()}
        rows = read_parts(self.out).to_pylist()
        return {row["s3_key"] for row in rows if not row["stored"] or present.get(row["pt_key"]) == row["pt_etag"]}

    def decoded(self) -> Counter[str]:
        """Count the reads of each TAR."""
        path = self.folder / "decoded"
        return Counter(f"{name}.tar" for name in path.read_text().split()) if path.exists() else Counter()

    def temporaries(self) -> list[Path]:
        """Return the temporary files that killed puts left behind."""
        return sorted(self.folder.rglob(".telecine-put-*"))

    def skew(self, seconds: float) -> None:
        """Shift the clock of the ledger's server, also for open connections.

        A schema with its own ``clock_timestamp`` is put before PostgreSQL's in the search path.
        """
        self.database.rows(
            "CREATE SCHEMA IF NOT EXISTS skew; CREATE TABLE IF NOT EXISTS skew.clock (seconds float8);"
            "DELETE FROM skew.clock;"
            "CREATE OR REPLACE FUNCTION skew.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS"
            " 'SELECT pg_catalog.clock_timestamp() + make_interval(secs => (SELECT seconds FROM skew.clock))'"
        )
        self.database.rows("INSERT INTO skew.clock VALUES (%s)", seconds)
        name = self.database.name
        self.database.rows(f"ALTER DATABASE {name} SET search_path = skew, pg_catalog, public")

    def age(self) -> None:
        """Make the temporary files two days older."""
        for path in self.temporaries():
            status = path.stat()
            os.utime(path, (status.st_atime - _DAYS_S, status.st_mtime - _DAYS_S))


def _steady(row: dict[str, Any], run_id: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _VOLATILE} | {"run_id": row["run_id"] == run_id}


def ledger_of(database: Database, run_id: str) -> dict[str, Any]:
    """Return the run, its stages and its item errors, without times and attempts of stages."""
    return {
        "run": database.rows("SELECT status, error_stage, error_message FROM pipeline.runs WHERE run_id = %s", run_id),
        "stages": [
            (*rest, sorted((error["item"], error["code"]) for error in (details or {"errors": ()})["errors"]))
            for *rest, details in database.rows(
                "SELECT stage, stage_order, status, exit_code, manifest_key, error_message, error_details"
                " FROM pipeline.run_stages WHERE run_id = %s ORDER BY stage",
                run_id,
            )
        ],
        "item_errors": database.rows(
            "SELECT stage, item, code, retryable, attempt, message FROM pipeline.item_errors"
            " WHERE run_id = %s ORDER BY stage, item, code",
            run_id,
        ),
    }
