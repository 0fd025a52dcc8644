"""A console that is killed while it receives a file, and how much memory an upload takes."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import os
import signal
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psutil
import pytest

from shared.retention.settings import VacuumSettings
from shared.retention.vacuum import vacuum
from tests.integration.test_console_server import serving
from tests.postgres_server import database, postgres, until  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

HEAD = (
    b"POST /uploads/new HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nContent-Length: %d\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
)
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="july.csv"\r\n\r\n'
END = b"\r\n--b--\r\n"
MB = 1_000_000


def objects(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []


def test_a_console_that_is_killed_in_mid_upload_leaves_no_row_and_no_readable_object(database, tmp_path):
    store = tmp_path / "viewership"
    with serving(database, "--viewership-bucket", str(store)) as server, closing(server.connect()) as connection:
        connection.sendall(HEAD % (50 * MB) + PART + b"x" * (10 * MB))
        until(lambda: sum(path.stat().st_size for path in objects(store)) >= 4 * MB)
        server.end(signal.SIGKILL)
    # A temporary file is not an object: listings leave it out, and delete it later.
    assert all(path.name.startswith(".telecine-put-") for path in objects(store))
    assert database.rows("SELECT count(*) FROM console.files") == [(0,)]


def test_a_client_that_goes_away_leaves_nothing(database, tmp_path):
    store = tmp_path / "viewership"
    with serving(database, "--viewership-bucket", str(store)) as server:
        with closing(server.connect()) as connection:
            connection.sendall(HEAD % (50 * MB) + PART + b"x" * (10 * MB))
            until(lambda: bool(objects(store)))
        until(lambda: not objects(store))
        assert 'telecine_console_uploads_total{result="cut"} 1.0' in server.get("/metrics")
    assert not [line for line in server.errors if '"ERROR"' in line]
    assert database.rows("SELECT count(*) FROM console.files") == [(0,)]


def test_a_refusal_reaches_a_client_that_is_still_sending(database, tmp_path):
    body = PART.replace(b"july", b"../july") + b"x" * (12 * MB) + END
    with serving(database, "--viewership-bucket", str(tmp_path / "viewership")) as server:
        answer = server.raw(HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % len(body), body)
    assert answer.startswith("HTTP/1.1 400")
    assert "bad_name" in answer


def test_bytes_that_are_stored_without_a_row_go_once_they_are_old(database, tmp_path):
    store = tmp_path / "viewership"
    body = PART + b"Date,Title,Hours\n2025-01-13,a,1\n" + END
    flags = ("--viewership-bucket", str(store))
    with serving(database, *flags) as server, database.connect() as held, held.transaction():
        # The insert waits for this lock, so the console is killed between the store and the row.
        held.execute("LOCK TABLE console.files IN ACCESS EXCLUSIVE MODE")
        with closing(server.connect()) as connection:
            connection.sendall(HEAD % len(body) + body)
            until(lambda: any(path.name[:1] != "." for path in objects(store)))
            time.sleep(0.2)
            server.end(signal.SIGKILL)
    until(lambda: database.rows("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()") == [(1,)])
    assert (len(objects(store)), database.rows("SELECT count(*) FROM console.files")) == (1, [(0,)])
    settings = VacuumSettings(
        database_url=database.url,
        artifacts=f"file://{tmp_path}/artifacts",
        viewership_bucket=f"file://{store}",
        state_dir=str(tmp_path),
        days=30,
    )
    vacuum(settings)
    assert len(objects(store)) == 1
    old = (datetime.now(UTC) - timedelta(days=31)).timestamp()
    os.utime(objects(store)[0], (old, old))
    vacuum(settings)
    assert objects(store) == []


def test_an_upload_takes_little_memory(database, tmp_path):
    size = 120 * MB
    with serving(database, "--viewership-bucket", str(tmp_path / "viewership")) as server:
        server.get("/uploads/new")
        process = psutil.Process(server.process.pid)
        before = peak = process.memory_info().rss
        with closing(server.connect()) as connection:
            connection.sendall(HEAD % (len(PART) + size + len(END)) + PART)
            piece = b"x" * MB
            for _ in range(size // MB):
                connection.sendall(piece)
                peak = max(peak, process.memory_info().rss)
            connection.sendall(END)
            connection.settimeout(60)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 303")
    assert peak - before < 60 * MB
    assert database.rows("SELECT size_bytes FROM console.files") == [(size,)]
