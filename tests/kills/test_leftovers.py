"""Leftovers of a killed put are deleted within a day, wherever they are."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from shared.storage import open_store, put_uri
from shared.storage._folder import temporary_name
from tests.in_process import InProcess

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres_server import Database

DAYS_S = 2 * 24 * 3600


def leftover(folder: Path, *, age_s: float = DAYS_S) -> Path:
    path = folder / temporary_name()
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"half of it")
    os.utime(path, (time.time() - age_s, time.time() - age_s))
    return path


def test_the_next_manifest_or_report_sweeps_its_folder(tmp_path: Path):
    old, young = leftover(tmp_path / "published"), leftover(tmp_path / "published", age_s=60)
    put_uri(tmp_path / "published" / "manifest.parquet", b"whole")
    assert not old.exists()
    assert young.exists(), "another process may be writing it"


@pytest.mark.parametrize("folder", ["", "_stats", "a/b"])
def test_a_listing_sweeps_the_bucket(tmp_path: Path, folder: str):
    old, young = leftover(tmp_path / folder), leftover(tmp_path / folder, age_s=60)
    assert list(open_store(f"file://{tmp_path}").list()) == []
    assert (old.exists(), young.exists()) == (False, True)


def test_a_later_run_sweeps_the_reports_of_killed_ones(tmp_path: Path, database: Database):
    old = leftover(tmp_path / ".telecine/reports/killed-run")
    cli = InProcess(tmp_path, {"TELECINE_DATABASE_URL": database.url})
    cli("gamedata", "verify", "--manifest-bucket", "./none").expect(78)
    assert not old.exists()
