"""Receiving files: what is stored, what is refused and how, and what is left after a failure."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import hashlib
import html
import re
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

from jobs.console.access.limit import Limit
from jobs.console.app import create
from jobs.console.intake import child, library, reading, receive
from jobs.console.pages.viewership import upload_file, upload_new
from shared.settings.base import split_list
from shared.storage import _s3_upload
from tests.console_app import BROWSER, ask, post, settings
from tests.console_reader import run
from tests.postgres_server import _database, postgres  # noqa: F401
from tests.s3_server import s3_process, s3_server  # noqa: F401
from tests.workbooks import xlsx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import ASGIApp

    from tests.console_app import Answer
    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

REPORT = b"Date,Title,Hours Viewed,Region\n2025-02-13,Foo,1.5,US\n2025-04-03,Bar,2.5,DE\n"
BOUNDARY = "boundary-7d1f"


@pytest.fixture(scope="module")
def server(postgres: str) -> Iterator[Database]:
    with _database(postgres, "telecine") as made:
        yield made


@pytest.fixture
def database(server: Database) -> Database:
    server.rows("TRUNCATE console.files, console.launches, console.audit, viewership.uploads CASCADE")
    return server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("intake") / "viewership"


@pytest.fixture
def store(folder: Path) -> Path:
    if folder.is_file():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    return folder


@pytest.fixture(scope="module")
def site(server: Database, folder: Path) -> ASGIApp:
    """One application: with its first requests, each builds what it knows of its 67 routes in 0.07 s."""
    return application(server, folder)


@pytest.fixture
def app(site: ASGIApp, database: Database, store: Path) -> ASGIApp:
    return site


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


def counted(app: ASGIApp, result: str) -> float:
    """Return the number of uploads that ended like this."""
    found = re.search(rf'telecine_console_uploads_total{{result="{result}"}} (\S+)', ask(app, "/metrics").text)
    return float(found[1]) if found else 0.0


def rows(database: Database) -> int:
    return int(database.rows("SELECT count(*) FROM console.files")[0][0])


def stored(store: Path) -> list[Path]:
    return [path for path in store.rglob("*") if path.is_file()] if store.exists() else []


def test_a_file_is_stored_as_it_is_and_becomes_a_draft(app, database, store):
    body = form(part(REPORT))
    before = counted(app, "stored")
    answer = send(app, [body[at : at + 7] for at in range(0, len(body), 7)])
    assert answer.status == 303, answer.text
    assert (answer.header("location") or "").startswith("/uploads/files/")
    file = database.rows("SELECT filename, sha256, size_bytes, uri, state FROM console.files")[0]
    assert file[:3] == ("july.csv", hashlib.sha256(REPORT).hexdigest(), len(REPORT))
    assert re.fullmatch(r"file://.*/viewership/console/[0-9a-f]{32}", file[3])
    assert [path.read_bytes() for path in stored(store)] == [REPORT]
    assert database.rows("SELECT action, subject FROM console.audit") == [("file_received", "july.csv")]
    assert counted(app, "stored") == before + 1


@pytest.fixture(autouse=True)
def no_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read files in this process, except in tests that ask for `processes`."""
    if "processes" not in request.fixturenames:
        monkeypatch.setattr(reading, "run", run)
        monkeypatch.setattr(library, "run", run)


@pytest.fixture
def processes() -> None:
    """Read files in processes of their own, also those that other tests have read."""
    library.forget()


@pytest.fixture(autouse=True)
def nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_file, "start", lambda console, launch_id: None)


@pytest.fixture(autouse=True)
def many_uploads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_new, "_limit", Limit(per_peer=1_000, all_peers=1_000, seconds=60))


@pytest.mark.parametrize("size", [1_000_000, 1_000_001])
def test_the_cap_counts_the_bytes_of_the_file(app, database, store, size):
    answer = send(app, form(part(b"x" * size)))
    assert answer.status == (303 if size == 1_000_000 else 413)
    if size > 1_000_000:
        assert answer.code == "file_too_large"
        assert "more than 1 MB" in answer.json()["error"]["message"]
        assert (rows(database), stored(store)) == (0, [])


REFUSED = {
    "no file": (form(), "no_file"),
    "no name": (form(part(b"", b'filename=""')), "no_file"),
    "a text field": (form(part(b"x", b"", b"file")), "no_file"),
    "another field": (form(part(b"x", field=b"other")), "bad_form"),
    "two files": (form(part(REPORT), part(REPORT)), "two_files"),
    "an empty file": (form(part(b"")), "empty_file"),
    "no end": (part(REPORT), "body_cut"),
    "no body": (b"", "body_cut"),
    "not multipart": (b"date,title\n1,2\n", "bad_form"),
    "a long header": (form(part(REPORT, b'filename="' + b"a" * 20_000 + b'"')), "bad_form"),
    "a name of 10 kB": (form(part(REPORT, b'filename="' + b"a" * 10_000 + b'"')), "bad_name"),
    "a parent": (form(part(REPORT, b'filename="../../etc/passwd"')), "bad_name"),
    "a folder": (form(part(REPORT, b'filename="a/b.csv"')), "bad_name"),
    "a backslash": (form(part(REPORT, rb'filename="a\b.csv"')), "bad_name"),
    "dots": (form(part(REPORT, b'filename=".."')), "bad_name"),
    "a NUL": (form(part(REPORT, b'filename="a\x00.csv"')), "bad"),
    "a bell": (form(part(REPORT, b'filename="a\x07.csv"')), "bad"),
    "right to left": (form(part(REPORT, 'filename="a\u202evsc.exe"'.encode())), "bad_name"),
    "not UTF-8": (form(part(REPORT, b'filename="a\xff.csv"')), "bad_name"),
    "a template of Argo": (form(part(REPORT, b'filename="{{inputs.parameters.x}}.csv"')), "bad_name"),
    "a variable of Kubernetes": (form(part(REPORT, b'filename="$(AWS_SECRET).csv"')), "bad_name"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_form_that_is_not_one_good_file_is_refused_with_its_code(app, database, store, name):
    body, code = REFUSED[name]
    before = counted(app, "refused")
    answer = send(app, body)
    assert answer.status == 400
    assert answer.code.startswith(code), answer.text
    assert (rows(database), stored(store)) == (0, [])
    assert counted(app, "refused") == before + 1


@pytest.mark.parametrize("name", ['O\'Brien (1) "q".csv', "a; rm -rf $HOME `x`.csv", "übersicht_7月.xlsx", "a" * 255])
def test_unusual_names_are_kept_as_text(app, database, store, name):
    sent = name.replace('"', '\\"').encode()
    assert send(app, form(part(REPORT, b'filename="' + sent + b'"'))).status == 303
    assert database.rows("SELECT filename FROM console.files") == [(name,)]
    assert [re.fullmatch(r"[0-9a-f]{32}", path.name) is not None for path in stored(store)] == [True]


def test_a_body_that_is_shorter_than_announced_stores_nothing(app, database, store):
    body = form(part(REPORT))
    answer = send(app, body[:-30], {"content-length": str(len(body))})
    assert (answer.status, answer.code) == (400, "body_cut")
    assert (rows(database), stored(store)) == (0, [])


def test_a_body_that_is_longer_than_announced_is_counted_as_it_arrives(app, database, store):
    pieces = [part(b"x" * 60_000)[:-2], *([b"x" * 60_000] * 40)]
    answer = send(app, pieces, {"content-length": "100"})
    assert (answer.status, answer.code) == (413, "file_too_large")
    assert (rows(database), stored(store)) == (0, [])


def test_a_body_that_is_announced_as_too_large_is_not_read(app, database, store):
    answer = send(app, form(part(REPORT)), {"content-length": "2000000"})
    assert (answer.status, answer.code) == (413, "file_too_large")
    assert "more than 1 MB" in answer.json()["error"]["message"]
    assert stored(store) == []
    # The page says so before anything is sent.
    page = ask(app, "/uploads/new", headers=BROWSER).text
    assert 'data-most="1000000" data-over="The file has more than 1 MB; split it by date."' in page
    assert "Up to 1 MB; larger files are refused" in page


def test_a_body_that_stops_is_refused_and_leaves_nothing(database, store, monkeypatch):
    from jobs.console.web import gate

    monkeypatch.setattr(gate.Gate.__init__, "__kwdefaults__", {"body_pause_s": 0.2})
    app = application(database, store, max_upload_mb=3)
    answer = send(app, [part(b"x" * 1_500_000)], endless=True)
    assert (answer.status, answer.code) == (408, "body_too_slow")
    assert (rows(database), stored(store)) == (0, [])


def test_only_uploaders_upload_and_no_body_of_others_is_read(database, store):
    proxy = {"access": "proxy", "trusted_proxies": ("127.0.0.1",), "uploader_groups": ("up",)}
    app = application(database, store, **proxy)

    def status(**headers: str) -> tuple[int, str]:
        # Endless: reading it would wait for the pause limit.
        answer = send(app, [b"--"], {name.replace("_", "-"): value for name, value in headers.items()}, endless=True)
        return answer.status, answer.code

    began = time.monotonic()
    assert status() == (401, "unauthenticated")
    assert status(x_forwarded_user="ann") == (403, "role_missing")
    cross = {"x_forwarded_user": "bob", "x_forwarded_groups": "up"}
    assert status(**cross, sec_fetch_site="cross-site") == (403, "other_origin")
    assert time.monotonic() - began < 5
    assert ask(app, "/uploads/new", headers={"x-forwarded-user": "ann", **BROWSER}).status == 403
    named = {"x-forwarded-user": "bob", "x-forwarded-groups": "up"}
    assert ask(app, "/uploads/new", headers={**named, **BROWSER}).status == 200
    assert send(app, form(part(REPORT)), named).status == 303
    assert database.rows("SELECT created_by FROM console.files") == [("bob",)]


def test_the_same_bytes_lead_to_the_first_file(app, database, store):
    first = send(app, form(part(REPORT)))
    began = time.monotonic()
    again = send(app, form(part(REPORT, b'filename="again.csv"')))
    assert time.monotonic() - began < 2
    number = (first.header("location") or "").rpartition("/")[2]
    assert (again.status, again.header("location")) == (303, f"/uploads/new?file={number}")
    assert (rows(database), len(stored(store))) == (1, 1)
    page = ask(app, again.header("location") or "", headers=BROWSER).text
    assert f'href="/uploads/files/{number}"' in page
    assert "It was not stored again" in page


def test_the_same_bytes_lead_to_the_stored_upload_unless_it_was_retracted(app, database, store):
    sha = hashlib.sha256(REPORT).hexdigest()
    database.rows(
        "INSERT INTO viewership.uploads (sha256, object_key, filename, size_bytes, status, pipeline_run_id)"
        " VALUES (%s, 'raw/x', 'first.csv', 3, 'refused', 'run-1')",
        sha,
    )
    upload = database.rows("SELECT upload_id FROM viewership.uploads")[0][0]
    answer = send(app, form(part(REPORT)))
    assert answer.header("location") == f"/uploads/new?upload={upload}"
    assert (rows(database), stored(store)) == (0, [])
    assert f'href="/uploads/{upload}"' in ask(app, f"/uploads/new?upload={upload}", headers=BROWSER).text
    database.rows("UPDATE viewership.uploads SET status = 'retracted'")
    assert (send(app, form(part(REPORT))).header("location") or "").startswith("/uploads/files/")


def test_uploads_are_limited_per_user(app, database, store, monkeypatch):
    monkeypatch.setattr(upload_new, "_limit", Limit(per_peer=1, all_peers=10, seconds=60))
    assert send(app, form(part(REPORT))).status == 303
    answer = send(app, form(part(b"a,b\n1,2\n")))
    assert (answer.status, answer.code) == (429, "too_many_uploads")
    assert 0 < int(answer.header("retry-after") or 0) <= 60


def drafted(app: ASGIApp, body: bytes, name: str = "july.csv") -> str:
    """Upload a file, wait until it was read, and return its path."""
    path = send(app, form(part(body, f'filename="{name}"'.encode()))).header("location")
    assert path is not None
    read(app, path)
    return path


def read(app: ASGIApp, path: str) -> str:
    """Return a page once it no longer refreshes."""
    until = time.monotonic() + 60
    while True:
        answer = ask(app, path, headers=BROWSER)
        assert answer.status == 200, answer.text
        if answer.header("refresh") is None:
            return answer.text
        assert time.monotonic() < until
        time.sleep(0.1)


def fields(page: str) -> dict[str, str]:
    """Return the fields of the form as a browser would send them."""
    found = dict(re.findall(r'<input type="(?:text|hidden)"[^>]* name="([^"]+)" value="([^"]*)"', page))
    for name, options in re.findall(r'<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected>', options)
        found[name] = chosen[1] if chosen else ""
    return {name: html.unescape(value) for name, value in found.items()}


def act(app: ASGIApp, path: str, action: str, changes: dict[str, str] | None = None, page: str | None = None) -> Answer:
    known = fields(page if page is not None else read(app, path))
    return post(app, path, {**known, "action": action, **(changes or {})})


def questions(page: str) -> list[str]:
    found = re.search(r'id="questions">(.*?)</section>', page, re.DOTALL)
    return re.findall(r"<li><code>([A-Z_]+)</code>", found[1]) if found else []


def test_processes_read_a_file_and_ask(app, database, store, processes):
    path = drafted(app, b"Date,Title,Hours Viewed,Region\n01/02/2025,Foo,1.5,US\n03/04/2025,Bar,2.5,DE\n")
    page = read(app, path)
    assert questions(page) == ["NEEDS_CHOICE"]
    assert "is 2025-02-01 (dmy) or 2025-01-02 (mdy)" in page
    assert fields(page)["map-C"] == "hours"


def test_a_draft_shows_rows_as_they_would_be_read_and_starts_once_all_is_answered(app, database, store):
    path = drafted(app, b"Date,Title,Hours Viewed,Region\n01/02/2025,Foo,1.5,US\n03/04/2025,Bar,2.5,DE\n")
    page = read(app, path)
    assert questions(page) == ["NEEDS_CHOICE"]
    assert "is 2025-02-01 (dmy) or 2025-01-02 (mdy)" in page
    assert act(app, path, "confirm").status == 409
    assert act(app, path, "read", {"date-order": "mdy"}).status == 303
    page = read(app, path)
    assert questions(page) == ["PLATFORM"]
    assert ("2025-01-02" in page, "2025-02-01" in page) == (True, False)
    refused = act(app, path, "confirm")
    assert refused.status == 409
    assert "a question is open (PLATFORM)" in refused.text
    assert database.rows("SELECT * FROM console.launches") == []
    # New choices are shown before they are used.
    assert act(app, path, "confirm", {"platform": "orbit-tv"}).status == 303
    assert database.rows("SELECT * FROM console.launches") == []
    assert act(app, path, "confirm").header("location") == path
    (launched,) = database.rows("SELECT step, file_id, parameters FROM console.launches")
    file = database.rows("SELECT file_id, uri, state, decided_by IS NOT NULL FROM console.files")[0]
    assert file[2:] == ("confirmed", True)
    assert launched[:2] == ("run", file[0])
    assert launched[2]["files"] == file[1]
    assert (launched[2]["platform"], launched[2]["date-order"]) == ("orbit-tv", "mdy")
    assert launched[2]["filename"] == "july.csv"
    assert act(app, path, "confirm", page=page).status == 409
    assert len(database.rows("SELECT * FROM console.launches")) == 1


def test_two_tabs_do_not_overwrite_each_other(app, database, store):
    path = drafted(app, REPORT)
    page = read(app, path)
    assert act(app, path, "read", {"platform": "orbit-tv"}, page).status == 303
    late = act(app, path, "read", {"platform": "roku"}, page)
    assert (late.status, "changed in another tab" in late.text) == (409, True)
    assert act(app, path, "cancel", page=page).status == 409
    assert database.rows("SELECT choices->>'platform', state FROM console.files") == [("orbit-tv", "draft")]


def test_a_column_is_mapped_by_its_letters(app, database, store):
    path = drafted(app, b'Date,Title,"Watched, all",Hours Viewed\n2025-02-13,Foo,7.5,1.5\n')
    page = read(app, path)
    assert fields(page)["map-C"] == ""
    assert act(app, path, "read", {"map-C": "hours", "map-D": "", "platform": "orbit-tv"}, page).status == 303
    page = read(app, path)
    assert (fields(page)["map-C"], fields(page)["map-D"]) == ("hours", "")
    assert database.rows("SELECT choices->'map' FROM console.files") == [({"hours": "Column C"},)]
    assert re.search(r'data-label="hours">7.5<', page)
    assert questions(page) == []
    assert act(app, path, "confirm", page=page).status == 303
    assert database.rows("SELECT parameters->>'map' FROM console.launches") == [("hours=Column C",)]


def test_a_column_that_the_template_reads_can_be_left_out(app, database, store):
    path = drafted(app, REPORT)
    page = read(app, path)
    assert (fields(page)["map-D"], ">DE<" in page.partition('id="rows"')[2]) == ("territory", True)
    assert act(app, path, "read", {"map-D": "", "platform": "orbit-tv"}, page).status == 303
    page = read(app, path)
    assert (fields(page)["map-D"], ">DE<" in page.partition('id="rows"')[2]) == ("", False)
    assert questions(page) == []
    assert act(app, path, "confirm", page=page).status == 303
    ((mapped,),) = database.rows("SELECT parameters->>'map' FROM console.launches")
    assert "territory=(none)" in mapped.split(",")


def test_columns_beyond_the_list_and_names_with_a_comma_are_mapped(app, database, store):
    others = b",".join(b"x%d" % number for number in range(205))
    head = b'Title,"2025-07-01 Time, all","2025-07-02 Time, all",' + others + b",Quelle\n"
    path = drafted(app, head + b"Foo,1.5,2.5," + b"," * 205 + b"DE\n" + b"Bar,3.5,4.5," + b"," * 205 + b"US\n")
    page = read(app, path)
    assert "more columns are not listed" in page
    chosen = {"map-B": "hours", "column-further": "quelle", "map-further": "territory", "platform": "orbit-tv"}
    assert act(app, path, "read", {"format": "canonical-1", **chosen}, page).status == 303
    page = read(app, path)
    assert re.search(r'data-label="hours">1\.5<', page)
    assert ">DE<" in page.partition('id="rows"')[2]
    # A column that is read is listed, wherever it is.
    assert fields(page)["map-HA"] == "territory"
    assert act(app, path, "confirm", page=page).status == 303
    ((mapped,),) = database.rows("SELECT parameters->>'map' FROM console.launches")
    assert {"hours=Time, all", "territory=Column HA"} <= set(split_list(mapped))


def test_values_that_no_form_offers_are_refused_together(app, database, store):
    path = drafted(app, REPORT)
    bad = {"platform": "A B", "delimiter": "x", "header-line": "0", "format": "--output=/tmp/x", "map-A": "nothing"}
    answer = act(app, path, "read", bad)
    assert answer.status == 400
    for name in ("platform", "delimiter", "header-line", "format", "column A"):
        assert f"{name} is" in html.unescape(answer.text)
    assert database.rows("SELECT choices, version FROM console.files") == [({}, 1)]


def test_a_file_that_no_format_fits_is_proposed_with_the_canonical_one(app, database, store):
    path = drafted(app, b"When,What,Sum Hours Watched,Blah\n2025-02-13,Foo,1.5,zz\n2025-02-14,Bar,2.5,zz\n")
    page = read(app, path)
    assert fields(page)["format"] == "canonical-1", page
    assert "map-A" in fields(page)


def test_refusals_of_the_readers_are_shown_with_code_and_facts(app, database, store):
    page = read(app, drafted(app, xlsx("<row>" + " " * 50_000_000 + "</row>"), "bomb.xlsx"))
    assert re.search(r"cannot be read: <code>LIMIT</code>", page)
    assert "expected at most" in page
    assert "Start the run" not in page
    cell = b"Date,Title,Hours\n2025-01-01," + b"x" * 40_000 + b",1\n"
    page = read(app, drafted(app, cell))
    assert "<code>LIMIT</code>" in page
    assert '<dt>line</dt><dd class="mono">2</dd>' in page


def test_a_cancelled_file_is_deleted_and_can_be_uploaded_again(app, database, store):
    path = drafted(app, REPORT)
    assert act(app, path, "cancel").status == 303
    assert "cancelled this upload" in ask(app, path, headers=BROWSER).text
    assert (stored(store), database.rows("SELECT state FROM console.files")) == ([], [("cancelled",)])
    assert send(app, form(part(REPORT))).status == 303
    assert rows(database) == 2


def test_a_confirmed_file_leads_to_its_upload(app, database, store):
    path = drafted(app, REPORT)
    assert act(app, path, "read", {"platform": "orbit-tv"}).status == 303
    read(app, path)
    assert act(app, path, "confirm").status == 303
    page = ask(app, path, headers=BROWSER)
    assert ("starting" in page.text, page.header("refresh")) == (True, f"2;url={path}")
    database.rows("UPDATE console.launches SET state = 'failed', message = '<b>no cluster</b>'")
    page = ask(app, path, headers=BROWSER)
    assert ("&lt;b&gt;no cluster" in page.text, page.header("refresh")) == (True, None)
    assert post(app, path, {"action": "again"}).status == 303
    assert post(app, path, {"action": "again"}).status == 409
    assert database.rows("SELECT count(*) FROM console.launches") == [(2,)]
    database.rows(
        "INSERT INTO viewership.uploads (sha256, object_key, filename, size_bytes, status, pipeline_run_id)"
        " VALUES (%s, 'raw/x', 'july.csv', 3, 'received', 'run-1')",
        hashlib.sha256(REPORT).hexdigest(),
    )
    upload = database.rows("SELECT upload_id FROM viewership.uploads")[0][0]
    assert ask(app, path, headers=BROWSER).header("location") == f"/uploads/{upload}"


@pytest.mark.parametrize("end", ["never began", "failed", "has no launch"])
def test_a_file_whose_run_was_lost_can_be_started_again_or_cancelled(app, database, store, end):
    path = drafted(app, REPORT)
    assert act(app, path, "read", {"platform": "orbit-tv"}).status == 303
    read(app, path)
    assert act(app, path, "confirm").status == 303
    database.rows("UPDATE console.launches SET state = 'started', started_at = now()")
    for action in ("again", "cancel"):
        assert post(app, path, {"action": action}).status == 409
    if end == "never began":
        database.rows("UPDATE console.launches SET started_at = now() - interval '11 min'")
    elif end == "failed":
        database.rows(
            "INSERT INTO pipeline.runs (run_id, pipeline, status, finished_at)"
            " SELECT name, 'viewership', 'failed', now() FROM console.launches"
        )
        database.rows(
            "INSERT INTO pipeline.run_stages (run_id, stage, stage_order, pipeline, status, finished_at, error_message)"
            " SELECT name, 'upload', 2, 'viewership', 'failed', now(), 'did you mean <tubi>?' FROM console.launches"
        )
    else:
        database.rows("DELETE FROM console.launches")
    page = ask(app, path, headers=BROWSER)
    assert ('value="again"' in page.text, page.header("refresh")) == (True, None)
    assert ("did you mean &lt;tubi&gt;?" in page.text) == (end == "failed")
    assert post(app, path, {"action": "again"}).status == 303
    assert post(app, path, {"action": "cancel"}).status == 409
    # A run that was left as started, and ends later, asks for another attempt.
    database.rows("UPDATE console.launches SET state = 'started', started_at = now() - interval '11 min'")
    assert post(app, path, {"action": "cancel"}).status == 303
    assert {state for (state,) in database.rows("SELECT state FROM console.launches")} == {"failed"}
    assert stored(store) == []
    # The same bytes come in again.
    assert (send(app, form(part(REPORT))).header("location") or "").startswith("/uploads/files/")
    assert rows(database) == 2


def test_the_choices_of_a_file_whose_run_failed_can_be_changed(app, database, store):
    path = drafted(app, REPORT)
    assert act(app, path, "read", {"platform": "orbit-tw"}).status == 303
    read(app, path)
    assert post(app, path, {"action": "reopen"}).status == 409
    assert act(app, path, "confirm").status == 303
    assert post(app, path, {"action": "reopen"}).status == 409
    # It never began, and may still ask for another attempt.
    database.rows("UPDATE console.launches SET state = 'started', started_at = now() - interval '11 min'")
    assert 'value="reopen"' in ask(app, path, headers=BROWSER).text
    assert post(app, path, {"action": "reopen"}).status == 303
    # It shows what was chosen, and need not be read again.
    page = ask(app, path, headers=BROWSER)
    assert ('value="orbit-tw"' in page.text, page.header("refresh")) == (True, None)
    assert act(app, path, "read", {"platform": "orbit-tv"}).status == 303
    read(app, path)
    assert act(app, path, "confirm").status == 303
    asked = database.rows("SELECT parameters->>'platform', state FROM console.launches ORDER BY launch_id")
    assert asked == [("orbit-tw", "failed"), ("orbit-tv", "requested")]
    assert len(stored(store)) == 1
    assert database.rows("SELECT count(*) FROM console.audit WHERE action = 'file_reopened'") == [(1,)]


@pytest.mark.parametrize("key", ["\0", "a" * 5_000, "f00"])
def test_a_dismissal_of_no_question_is_refused(app, database, store, key):
    path = drafted(app, REPORT)
    assert act(app, path, "read", {"dismiss-1": key}).status == 400
    assert database.rows("SELECT choices, version FROM console.files") == [({}, 1)]


def test_other_choices_are_in_the_audit_log(app, database, store):
    path = drafted(app, REPORT)
    act(app, path, "read", {"platform": "orbit-tv"})
    assert database.rows("SELECT subject, details->'choices' FROM console.audit WHERE action = 'file_choices'") == [
        ("july.csv", {"platform": "orbit-tv"})
    ]


def test_a_reading_that_no_table_takes_is_a_refusal_and_not_tried_forever(app, database, store, monkeypatch):
    found = {"proposal": {"title": "\ud800"}, "preview": None, "problem": None, "used": {}, "is_head": False}
    monkeypatch.setattr(reading, "read", lambda *_: found)
    page = read(app, drafted(app, REPORT))
    assert "cannot be read: <code>CRASHED</code>" in page


def test_pages_do_not_wait_for_the_list_of_formats_while_it_is_read_again(app, database, monkeypatch):
    state = app.app.state.console
    # Other tests of the module have stored uploads of platforms that are gone.
    library.forget()
    first = library.library(state.settings, state.database)
    monkeypatch.setattr(library, "_kept", {name: (0.0, kept) for name, (_, kept) in library._kept.items()})
    # Slow files hold both places of children, and a request reads the list.
    with child._TOGETHER, child._TOGETHER, library._lock:
        assert library.library(state.settings, state.database) == first
    with child._TOGETHER, child._TOGETHER:
        assert library.library(state.settings, state.database) == first


def test_a_body_that_trickles_in_frees_its_place(app, database, store, monkeypatch):
    monkeypatch.setattr(receive, "_GRACE_S", 0.0)
    monkeypatch.setattr(receive, "_LEAST_BYTES_PER_S", 1e12)
    answer = send(app, form(part(REPORT)))
    assert (answer.status, answer.code) == (408, "body_too_slow")
    assert (rows(database), stored(store), receive._now) == (0, [], {})


def test_hostile_text_of_a_file_is_shown_as_text(app, database, store):
    hostile = "<script>alert(1)</script>"
    page = read(app, drafted(app, f"Date,Title,Hours,{hostile}\n2025-02-13,{hostile},1.5,\u202eabc\n".encode()))
    assert hostile not in page
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page


@pytest.mark.parametrize("path", ["/uploads/files/999999", f"/uploads/files/{2**63}", f"/uploads/files/{'1' * 5_000}"])
def test_an_unknown_file_is_not_found(app, database, path):
    assert ask(app, path).status == 404
    assert post(app, path, {"action": "cancel", "version": "1"}).status == 404


def test_viewers_see_a_draft_without_its_buttons(app, database, store):
    path = drafted(app, REPORT)
    viewer = application(database, store, local_role="viewer")
    page = ask(viewer, path, headers=BROWSER).text
    assert "as they would be read" in page
    assert ('value="confirm"' in page, 'value="cancel"' in page) == (False, False)
    assert post(viewer, path, {"action": "cancel", "version": "1"}).status == 403


def test_a_file_in_parts_is_stored_in_s3_as_it_is_and_a_broken_one_is_not(database, store, s3_server, monkeypatch):
    # The least that S3 accepts, so that 11 MB are more than two parts.
    monkeypatch.setattr(_s3_upload, "_PIPE_PART", 5 << 20)
    app = application(database, store, viewership_bucket=s3_server.create_bucket("intake"), max_upload_mb=30)
    # More than two parts, in pieces that fit neither them nor each other.
    body = b"".join(b"%09d\n" % number for number in range(1_100_000))
    whole = form(part(body))
    pieces = [whole[at : at + 65_521] for at in range(0, len(whole), 65_521)]
    assert send(app, pieces[:-1]).code == "body_cut"
    assert s3_server.client.list_objects_v2(Bucket="intake")["KeyCount"] == 0
    assert "Uploads" not in s3_server.client.list_multipart_uploads(Bucket="intake")
    assert send(app, pieces).status == 303
    (found,) = s3_server.client.list_objects_v2(Bucket="intake")["Contents"]
    assert found["Key"].startswith("console/")
    assert s3_server.client.get_object(Bucket="intake", Key=found["Key"])["Body"].read() == body
    assert send(app, pieces).header("location") == "/uploads/new?file=" + str(
        database.rows("SELECT file_id FROM console.files")[0][0]
    )
    assert s3_server.client.list_objects_v2(Bucket="intake")["KeyCount"] == 1


def test_a_store_that_fails_is_a_503_without_a_row(database, store):
    store.parent.mkdir(exist_ok=True)
    store.write_text("not a folder")
    app = application(database, store)
    assert send(app, form(part(REPORT))).status == 503
    assert rows(database) == 0
    assert 'telecine_console_uploads_total{result="failed"} 1.0' in ask(app, "/metrics").text
