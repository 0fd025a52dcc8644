"""Receiving files: what is stored, what is refused and how, and what is left after a failure."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import hashlib
import io
import re
import time
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from jobs.console.access.limit import Limit
from jobs.console.app import create
from jobs.console.pages import upload_new
from shared.database.session import transaction
from tests.console_app import BROWSER, ask, post, settings
from tests.postgres_server import database, postgres  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import ASGIApp

    from tests.console_app import Answer
    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

REPORT = b"Date,Title,Hours Viewed,Region\n2025-02-13,Foo,1.5,US\n2025-04-03,Bar,2.5,DE\n"
BOUNDARY = "boundary-7d1f"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "viewership"


@pytest.fixture
def app(database: Database, store: Path) -> ASGIApp:
    return application(database, store)


def application(database: Database, store: Path, **values: Any) -> ASGIApp:
    known = {"database_url": database.url, "viewership_bucket": f"file://{store}", "max_upload_mb": 1}
    return create(settings(**{**known, **values}))


def part(body: bytes, name: bytes = b'filename="july.csv"', field: bytes = b"file") -> bytes:
    head = b'Content-Disposition: form-data; name="' + field + b'"; ' + name + b"\r\nContent-Type: text/csv\r\n\r\n"
    return b"--" + BOUNDARY.encode() + b"\r\n" + head + body + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--" + BOUNDARY.encode() + b"--\r\n"


def send(app: ASGIApp, body: bytes | list[bytes], headers: dict[str, str] | None = None, **values: Any) -> Answer:
    known = {"content-type": f"multipart/form-data; boundary={BOUNDARY}", **BROWSER, "accept": "application/json"}
    return ask(app, "/uploads/new", method="POST", headers={**known, **(headers or {})}, body=body, **values)


def rows(database: Database) -> int:
    return int(database.rows("SELECT count(*) FROM console.files")[0][0])


def stored(store: Path) -> list[Path]:
    return [path for path in store.rglob("*") if path.is_file()] if store.exists() else []


def test_a_file_is_stored_as_it_is_and_becomes_a_draft(app, database, store):
    body = form(part(REPORT))
    answer = send(app, [body[at : at + 7] for at in range(0, len(body), 7)])
    assert answer.status == 303, answer.text
    assert (answer.header("location") or "").startswith("/uploads/files/")
    file = database.rows("SELECT filename, sha256, size_bytes, uri, state FROM console.files")[0]
    assert file[:3] == ("july.csv", hashlib.sha256(REPORT).hexdigest(), len(REPORT))
    assert re.fullmatch(r"file://.*/viewership/console/[0-9a-f]{32}", file[3])
    assert [path.read_bytes() for path in stored(store)] == [REPORT]
    assert database.rows("SELECT action, subject FROM console.audit") == [("file_received", "july.csv")]
    assert 'telecine_console_uploads_total{result="stored"} 1.0' in ask(app, "/metrics").text
