"""The pages of uploads over real runs of viewership."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import csv
import io
import json
import re
import warnings
from contextlib import contextmanager
from html import unescape
from typing import TYPE_CHECKING

import pytest

from jobs.console.app import create
from jobs.console.launch import child
from jobs.console.pages.viewership import confirm, upload
from jobs.console.settings import ConsoleSettings
from jobs.console.web import twins
from tests.postgres_server import Database, database, made_database, postgres, until  # noqa: F401
from tests.viewership_place import ViewershipPlace

if TYPE_CHECKING:
    from collections.abc import Iterator

with warnings.catch_warnings():
    # The client's own advice about its next dependency.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

HEAD = "Series,Season,Episode,Title,Date,Hours\n"
JULY = (
    "Calm River,1,1,The Storm,2025-07-01,1.5\n"
    "Calm River,1,2,The Calm,2025-07-02,2\n"
    "Calm River,,,The Longest Leter From Home,2025-07-02,0.25\n"
    "Calm River,,,Somewhere Else Entirely,2025-07-03,4\n"
)
BAD = 'Calm River,1,1,The Storm,2025-07-01,=1+1\nCalm River,1,2,"<script>x</script>",2025-07-02,many\n'
ORIGIN = {"sec-fetch-site": "same-origin"}

# Numbers of the uploads, in the order in which they are made.
LOADED, OVERLAP, COPY, ASKS, REFUSED, OTHER = range(1, 7)


@pytest.fixture(scope="module")
def place(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ViewershipPlace]:
    """One upload in each state that a run leaves it in."""
    with made_database(postgres) as database:
        made = ViewershipPlace(database, tmp_path_factory.mktemp("uploads"))
        made.catalogue()
        made.run(made.file("july.csv", HEAD + JULY + BAD), max_rejected=0.9)
        lines = (JULY.replace(",1.5", ",9") + "Lost Harbor,1,1,Arrival,2025-07-02,1\n").splitlines(keepends=True)
        made.run(made.file("july-corrected.csv", HEAD + "".join(lines)))
        made.run(made.file("export.csv", HEAD.replace(",", ";") + JULY.replace(",", ";")))
        made.run(made.file("days.csv", HEAD + "Calm River,1,1,The Storm,03/04/2025,1.5\n"))
        made.run(made.file("empty.csv", HEAD))
        made.run(made.file("100%_august.csv", HEAD + "Lost Harbor,1,1,Arrival,2025-08-01,1\n"))
        yield made


@pytest.fixture(scope="module")
def site(place: ViewershipPlace) -> Iterator[TestClient]:
    settings = ConsoleSettings(database_url=place.database.url, viewership_bucket=place.bucket, launch="off")
    with TestClient(create(settings), base_url="http://localhost:8080", follow_redirects=False) as client:
        yield client


@pytest.fixture
def launched(place: ViewershipPlace, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Numbers of the launches that the console was told to start; the room that starts them is not under test here."""
    started: list[int] = []
    monkeypatch.setattr(confirm, "start", lambda _, launch: started.append(launch))
    yield started
    for table in ("console.launches", "console.files"):
        place.database.rows(f"DELETE FROM {table}")


@contextmanager
def as_viewer(place: ViewershipPlace) -> Iterator[TestClient]:
    settings = ConsoleSettings(
        database_url=place.database.url, viewership_bucket=place.bucket, local_role="viewer", launch="off"
    )
    with TestClient(create(settings), base_url="http://localhost:8080", follow_redirects=False) as client:
        yield client


def words(html: str) -> str:
    """Return the text of a page as a browser shows it."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def names(site: TestClient, **query: str) -> list[str]:
    answer = site.get("/uploads.json", params=query)
    assert answer.status_code == 200, answer.text
    return [row["filename"] for row in answer.json()["rows"]]


def seen(html: str) -> str:
    found = re.search(r'name="seen" value="([^"]+)"', html)
    assert found is not None
    return unescape(found[1])


def parameters(place: ViewershipPlace, launch: int) -> dict[str, str]:
    [(found,)] = place.rows(f"SELECT parameters FROM console.launches WHERE launch_id = {launch}")
    return found


def test_filters_choose_uploads(site):
    assert names(site) == [
        *("100%_august.csv", "empty.csv", "days.csv", "export.csv", "july-corrected.csv", "july.csv"),
    ]
    assert names(site, status="loaded") == ["100%_august.csv", "july.csv"]
    assert names(site, status="waiting") == ["days.csv", "export.csv", "july-corrected.csv"]
    assert names(site, status="failed") == ["empty.csv"]
    assert names(site, code="COPY") == ["export.csv"]
    assert names(site, platform="canonical", status="overlap") == ["july-corrected.csv"]
    assert names(site, platform="philo") == []
    assert names(site, period="2025-08") == ["100%_august.csv"]
    assert names(site, period="2025-q3", status="loaded") == ["100%_august.csv", "july.csv"]
    assert names(site, period="2024") == []
    assert names(site, q="JULY") == ["july-corrected.csv", "july.csv"]
    assert names(site, q="100%_") == ["100%_august.csv"], "% and _ are text"
    assert names(site, q="y%.csv") == []


@pytest.mark.parametrize("sort", ["newest", "oldest", "hours", "rows", "file"])
def test_pages_of_one_row_show_each_upload_once_in_order(site, sort):
    whole = names(site, sort=sort)
    found, url = [], f"/uploads.json?sort={sort}&limit=1"
    while url:
        answer = site.get(url).json()
        found += [row["filename"] for row in answer["rows"]]
        url = answer["next"]
    assert found == whole
    assert len(found) == 6
    first = {"newest": "100%_august.csv", "oldest": "july.csv", "hours": "july-corrected.csv", "rows": "july.csv"}
    assert found[0] == first.get(sort, "100%_august.csv")


def test_a_period_that_is_none_is_refused_with_what_is_valid(site):
    answer = site.get("/uploads?period=2025-13", headers={"accept": "text/html"})
    assert answer.status_code == 400
    assert "2025-07, 2025-Q3 or 2025" in unescape(answer.text)


def test_the_list_shows_phases_and_match_rates(site):
    rows = {row["filename"]: row for row in site.get("/uploads.json").json()["rows"]}
    assert rows["july.csv"]["match_rate"] == 0.75
    assert rows["july.csv"]["phases"] == ["upload: done", "normalize: done", "match: done", "load: done"]
    assert rows["days.csv"]["phases"][0] == "upload: asks"
    assert rows["empty.csv"]["phases"][0] == "upload: failed"
    assert "75 %" in words(site.get("/uploads").text)
    lines = list(csv.DictReader(io.StringIO(site.get("/uploads.csv?q=july.csv").text.removeprefix("\ufeff"))))
    assert [(line["filename"], line["units"], line["days"]) for line in lines] == [
        ("july.csv", "6", "2025-07-01/2025-07-03")
    ]


def test_received_files_that_are_not_stored_are_above_the_list_and_counted_at_home(site, place, launched):
    [(stored,)] = place.rows("SELECT sha256 FROM viewership.uploads WHERE filename = 'july.csv'")
    for name, sha, state in (
        ("draft.csv", "a" * 64, "draft"),
        ("starting.csv", "b" * 64, "confirmed"),
        ("stored.csv", stored, "confirmed"),
        ("cancelled.csv", "c" * 64, "cancelled"),
    ):
        place.database.rows(
            "INSERT INTO console.files (filename, sha256, size_bytes, uri, state, created_by, decided_by, decided_at)"
            " VALUES (%s, %s, 10, 'file:///x', %s, 'Dana', 'Dana', CASE WHEN %s <> 'draft' THEN now() END)",
            *(name, sha, state, state),
        )
    place.database.rows(
        "INSERT INTO console.launches (name, step, file_id, state, message, requested_by)"
        " SELECT 'console-run-x', 'run', file_id, 'failed', 'no right to create Workflows', 'Dana'"
        " FROM console.files WHERE filename = 'starting.csv'"
    )
    page = site.get("/uploads").text
    [received] = re.findall(r"<h2>Received.*?</section>", page, re.DOTALL)
    assert re.findall(r'files/\d+">([^<]+)', received) == ["starting.csv", "draft.csv"]
    assert "its run could not be started: no right to create Workflows" in words(received)
    assert "not confirmed yet" in words(received)
    assert "Received" not in words(site.get("/uploads?status=loaded").text)
    rows = site.get("/uploads.json?q=july.csv").json()["rows"]
    assert rows[0]["created_by"] == "Dana", "the console received these bytes"


def test_all_fates_together_equal_the_file(site, place):
    page = words(site.get(f"/uploads/{LOADED}").text)
    assert "the sum of all fates equals the file; match rate 75 %" in page
    assert sum(place.fates(LOADED).values()) == 6
    assert "all fates 6 7.75 0 file 6 7.75 0 difference 0 0 0" in page
    assert re.search(r"final \S in the final table 3 3.75 0", page)


def test_a_missing_row_is_a_difference(site, place):
    place.database.rows("UPDATE viewership.uploads SET units = 7, hours = hours + 0.0000000001 WHERE upload_id = 1")
    try:
        page = words(site.get(f"/uploads/{LOADED}").text)
    finally:
        place.database.rows("UPDATE viewership.uploads SET units = 6, hours = 7.75 WHERE upload_id = 1")
    assert "the sum of all fates differs from the file" in page
    assert "difference 1 0.0000000001 0" in page


def test_phases_show_what_they_had_to_account_for(site):
    html = site.get(f"/uploads/{LOADED}").text
    table = words(re.findall(r"<h2>Phases.*?</table>", html, re.DOTALL)[0])
    assert re.findall(r"(\w+) success [\d.]+ m?s (\d+) (\d+) (\d+) 1 run-\d", table) == [
        ("upload", "6", "6", "4"),
        ("normalize", "4", "4", "4"),
        ("match", "4", "4", "4"),
        ("load", "6", "6", "3"),
    ]
    assert "match SERIES_SEASON_EPISODE" in words(html)
    assert "several files" not in words(html)


def test_phases_of_a_run_of_several_files_show_the_rows_of_this_one(site, place):
    kept = place.rows("SELECT run_id, stage, counts FROM pipeline.run_stages")
    # The ledger's sums over two files.
    place.database.rows(
        'UPDATE pipeline.run_stages SET counts = counts || \'{"expected_units": 99, "actual_units": 98}\''
        " || CASE WHEN counts ? 'uploads' THEN '{\"uploads\": 2}' ELSE '{\"files\": 2}' END::jsonb"
        " WHERE counts ?| ARRAY['uploads', 'files']"
    )
    logged = "UPDATE viewership.error_log SET status = %s WHERE upload_id = %s AND procedure_name = 'match'"
    try:
        page = words(site.get(f"/uploads/{LOADED}").text)
        place.database.rows(logged, "failed", LOADED)
        failed = words(site.get(f"/uploads/{LOADED}").text)
    finally:
        place.database.rows(logged, "success", LOADED)
        for run_id, stage, counts in kept:
            place.database.rows(
                "UPDATE pipeline.run_stages SET counts = %s WHERE run_id = %s AND stage = %s",
                json.dumps(counts),
                run_id,
                stage,
            )
    assert re.findall(r"(\w+) success [\d.]+ m?s (\d+) (\d+) (\d+) 1 run-\d", page) == [
        ("upload", "6", "6", "4"),
        ("normalize", "4", "4", "4"),
        ("match", "4", "4", "4"),
        ("load", "6", "6", "3"),
    ]
    assert "are from viewership's log" in page
    assert re.search(r"match failed [\d.]+ m?s 4 \u2013 4 1", failed)


def test_the_fates_of_a_large_upload_are_counted_after_its_page(site, monkeypatch):
    monkeypatch.setattr(upload, "LARGE", 5)
    page = site.get(f"/uploads/{LOADED}").text
    assert "the sum of all fates" not in page
    assert f'hx-get="/uploads/{LOADED}/fates" hx-trigger="load" hx-select="#fates"' in page
    counted = words(site.get(f"/uploads/{LOADED}/fates").text)
    assert "all fates 6 7.75 0 file 6 7.75 0 difference 0 0 0" in counted
    assert "no rows to reconcile; its status is overlap" in words(site.get(f"/uploads/{OVERLAP}/fates").text)


def test_rows_set_aside_have_line_column_value_why_and_what_is_valid(site):
    page = site.get(f"/uploads/{LOADED}/rejects").text
    assert words(page).count("a number, such as 1,234.5") == 1
    assert "a number, or a duration such as 1:30:00" in words(site.get(f"/uploads/{LOADED}").text)
    rows = site.get(f"/uploads/{LOADED}/rejects.json?code=NUMBER").json()["rows"]
    assert [(row["line"], row["column"], row["value"]) for row in rows] == [(6, "Hours", "=1+1")]
    assert site.get(f"/uploads/{LOADED}/rejects.json?fate=filtered").json()["rows"] == []


def test_all_rejects_are_streamed_as_text_that_no_spreadsheet_evaluates(site, monkeypatch):
    monkeypatch.setattr(twins, "_AT_ONCE", 1)
    monkeypatch.setattr(twins, "CSV_ROWS", 1)
    answer = site.get(f"/uploads/{LOADED}/rejects.csv")
    assert "link" not in answer.headers, "all rows are in this file"
    lines = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [(line["line"], line["value"], line["code"]) for line in lines] == [
        ("6", "'=1+1", "NUMBER"),
        ("7", "many", "DURATION"),
    ]


def test_an_answer_starts_one_run_that_reads_the_same_bytes(site, place, launched):
    page = site.get(f"/uploads/{ASKS}").text
    assert "date order dmy" in words(page)
    # The platform is not known yet, and would be the next question.
    assert page.index('name="platform"') < page.index("Other choices")
    values = {"seen": seen(page), "answer": "1", "platform": "", "map": "hours=Hours"}
    for _ in range(2):
        answer = site.post(f"/uploads/{ASKS}/answer", data=values, headers=ORIGIN)
        if launched:
            place.database.rows("UPDATE console.launches SET state = 'failed'")
    assert answer.status_code == 409
    assert "has changed since" in answer.json()["error"]["message"]
    [launch] = launched
    [(key, sha)] = place.rows(f"SELECT object_key, sha256 FROM viewership.uploads WHERE upload_id = {ASKS}")
    assert parameters(place, launch) == {
        "date-order": "dmy",
        "map": "hours=Hours",
        "files": f"{place.bucket}/{key}",
        "filename": "days.csv",
    }
    assert key.endswith(sha)
    [(step, number, by)] = place.rows("SELECT step, upload_id, requested_by FROM console.launches")
    assert (step, number) == ("run", ASKS)
    [(actor, details)] = place.rows("SELECT actor, details FROM console.audit ORDER BY id DESC LIMIT 1")
    assert (actor, details["upload_id"]) == (by, ASKS)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"answer": "0"}, "period is empty"),
        ({"answer": "0", "value-0-period": "2025-04"}, None),
        ({"answer": "none", "period": "2025-04"}, None),
        ({"answer": "none"}, "no choice was made"),
        ({"answer": "3"}, "is not offered"),
        ({"answer": "²"}, "is not offered"),
        ({}, "is not offered"),
        ({"answer": "1", "clock": "noon"}, "expected hh:mm or mm:ss"),
        ({"answer": "1", "sheet": "x" * 2001}, "expected at most 2,000"),
        ({"answer": "1", "sheet": "a\0b"}, "without NUL"),
    ],
)
def test_an_answer_is_checked(site, place, launched, values, said):
    page = site.get(f"/uploads/{ASKS}").text
    answer = site.post(f"/uploads/{ASKS}/answer", data={"seen": seen(page), **values}, headers=ORIGIN)
    if said is None:
        assert answer.status_code == 303
        assert parameters(place, launched[0])["period"] == "2025-04"
    else:
        assert (answer.status_code, launched) == (422, [])
        assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("choice", "effect"),
    [
        ("skip", "Rows of this file are not stored: 5 rows with 16.25 hours."),
        ("replace", "upload 1 is replaced: 3 rows with 3.75 hours are removed from the final table."),
        ("append", "For the same days, 4 rows with 7.75 hours are stored already, so both count."),
    ],
)
def test_an_overlap_is_settled_after_its_effect_was_shown(site, place, launched, choice, effect):
    table = words(site.get(f"/uploads/{OVERLAP}").text)
    assert "overlap 2025-07-01 to 2025-07-03 4 5 +1 7.75 16.25 +8.5 0" in table
    page = site.get(f"/uploads/{OVERLAP}/overlap?choice={choice}").text
    assert effect in words(page)
    values = {"seen": seen(page), "choice": choice}
    answer = site.post(f"/uploads/{OVERLAP}/overlap", data=values, headers=ORIGIN)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/uploads/{OVERLAP}")
    assert parameters(place, launched[0])["on-overlap"] == choice


def test_a_file_that_lacks_rows_of_others_cannot_replace_them(site, place, launched):
    before = json.dumps(place.rows(f"SELECT others FROM viewership.uploads WHERE upload_id = {OVERLAP}")[0][0])
    place.database.rows(
        "UPDATE viewership.uploads SET others = jsonb_set(others, '{0,outside}', '2') WHERE upload_id = %s", OVERLAP
    )
    try:
        page = site.get(f"/uploads/{OVERLAP}").text
        values = {"seen": seen(site.get(f"/uploads/{OVERLAP}/overlap?choice=append").text), "choice": "replace"}
        refused = site.post(f"/uploads/{OVERLAP}/overlap", data=values, headers=ORIGIN)
    finally:
        place.database.rows("UPDATE viewership.uploads SET others = %s WHERE upload_id = %s", before, OVERLAP)
    assert "choice=replace" not in page
    assert "This file cannot replace the others" in page
    assert (refused.status_code, refused.json()["error"]["code"], launched) == (422, "replace_partial", [])


def test_a_retraction_needs_a_reason_and_states_its_effect(site, place, launched):
    page = site.get(f"/uploads/{LOADED}/retract").text
    assert "3 rows with 3.75 hours are removed from the final table." in words(page)
    path, version = f"/uploads/{LOADED}/retract", seen(page)
    assert site.post(path, data={"seen": version, "reason": " "}, headers=ORIGIN).status_code == 422
    assert site.post(path, data={"seen": version, "reason": "r" * 1001}, headers=ORIGIN).status_code == 422
    assert site.post(path, data={"seen": "old", "reason": "wrong"}, headers=ORIGIN).status_code == 409
    assert site.post(path, data={"seen": version, "reason": "wrong"}).status_code == 403, "no origin"
    assert launched == []
    assert site.post(path, data={"seen": version, "reason": "<b>wrong</b>"}, headers=ORIGIN).status_code == 303
    found = parameters(place, launched[0])
    assert (found["number"], found["reason"]) == (str(LOADED), "<b>wrong</b>")
    again = site.get(f"/uploads/{LOADED}/retract")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "upload_busy")


def test_a_refused_file_is_read_again_with_other_choices(site, place, launched):
    page = site.get(f"/uploads/{REFUSED}").text
    values = {"seen": seen(page), "max-rejected": "0.5"}
    assert site.post(f"/uploads/{REFUSED}/answer", data=values, headers=ORIGIN).status_code == 303
    found = parameters(place, launched[0])
    assert (found["max-rejected"], found["filename"]) == ("0.5", "empty.csv")


def test_an_upload_whose_run_ended_too_early_is_resumed(site, place, launched):
    place.database.rows("UPDATE viewership.uploads SET status = 'normalized' WHERE upload_id = %s", OTHER)
    change = "UPDATE pipeline.runs SET heartbeat_at = now(), status ="
    place.database.rows(f"{change} 'running', finished_at = NULL WHERE run_id = 'run-6'")
    try:
        between = site.get(f"/uploads/{OTHER}").text
        assert 'hx-trigger="every 2s"' in between, "the run continues with the next phase"
        assert "/resume" not in between
        assert site.get(f"/uploads/{OTHER}/resume").json()["error"]["code"] == "upload_busy"
        place.database.rows(f"{change} 'interrupted', finished_at = now() WHERE run_id = 'run-6'")
        assert f"/uploads/{OTHER}/resume" in site.get(f"/uploads/{OTHER}").text
        page = site.get(f"/uploads/{OTHER}/resume").text
        assert "The remaining phases are run: match, load. The file has 1 row with 1 hour." in words(page)
        answer = site.post(f"/uploads/{OTHER}/resume", data={"seen": seen(page)}, headers=ORIGIN)
        assert answer.status_code == 303
        assert parameters(place, launched[0])["filename"] == "100%_august.csv"
    finally:
        place.database.rows("UPDATE viewership.uploads SET status = 'loaded' WHERE upload_id = %s", OTHER)
        place.database.rows(f"{change} 'success', finished_at = now() WHERE run_id = 'run-6'")
    assert site.get(f"/uploads/{OTHER}/resume").json()["error"]["code"] == "upload_status"


def test_reprocessing_states_the_rows_that_wait(site, place, launched):
    page = site.get(f"/uploads/{LOADED}/reprocess").text
    assert "Up to 1 row with 4 hours in review or unmatched may become final." in words(page)
    assert "3 rows with 3.75 hours are final, and change only if the catalogue requires it." in words(page)
    answer = site.post(f"/uploads/{LOADED}/reprocess", data={"seen": seen(page)}, headers=ORIGIN)
    assert answer.status_code == 303
    assert parameters(place, launched[0])["upload"] == str(LOADED)


def test_the_page_polls_until_the_requested_run_has_ended(site, place, launched):
    page = site.get(f"/uploads/{LOADED}/reprocess").text
    assert "every 2s" not in site.get(f"/uploads/{LOADED}").text
    site.post(f"/uploads/{LOADED}/reprocess", data={"seen": seen(page)}, headers=ORIGIN)
    shown = site.get(f"/uploads/{LOADED}")
    assert 'hx-trigger="every 2s"' in shown.text
    assert "the sum of all fates" not in shown.text, "they are about to change"
    first = site.get(f"/uploads/{LOADED}/live")
    tag = {"If-None-Match": first.headers["etag"]}
    assert site.get(f"/uploads/{LOADED}/live", headers=tag).status_code == 304
    [(name,)] = place.rows("SELECT name FROM console.launches")
    place.database.rows("UPDATE console.launches SET state = 'started', started_at = now()")
    place.database.rows(
        "INSERT INTO pipeline.runs (run_id, pipeline, status, parameters, started_at, heartbeat_at)"
        " VALUES (%s, 'viewership', 'running', '{}', now(), now())",
        name,
    )
    running = site.get(f"/uploads/{LOADED}/live", headers=tag)
    assert running.status_code == 200
    assert "run running" in words(running.text)
    assert 'hx-trigger="every 2s"' in running.text
    place.database.rows("UPDATE pipeline.runs SET status = 'success', finished_at = now() WHERE run_id = %s", name)
    ended = site.get(f"/uploads/{LOADED}/live", headers=tag).text
    assert "hx-trigger" not in ended
    assert "Show the result" in ended
    place.database.rows("DELETE FROM pipeline.runs WHERE run_id = %s", name)


def test_a_viewer_sees_pages_without_buttons_and_starts_nothing(site, place, launched):
    version = seen(site.get(f"/uploads/{LOADED}/retract").text)
    with as_viewer(place) as client:
        for path in ("/uploads", *(f"/uploads/{number}" for number in (LOADED, OVERLAP, ASKS))):
            page = client.get(path)
            assert page.status_code == 200
            assert not re.search(r'action="[^"]*/answer"|/retract"|/reprocess"|choice=|/uploads/new', page.text)
        assert client.get(f"/uploads/{LOADED}/retract").status_code == 403
        values = {"seen": version, "reason": "wrong", "choice": "skip", "answer": "1"}
        for number, path in ((LOADED, "retract"), (LOADED, "reprocess"), (OVERLAP, "overlap"), (ASKS, "answer")):
            assert client.post(f"/uploads/{number}/{path}", data=values, headers=ORIGIN).status_code == 403
    assert launched == []


def test_a_change_that_does_not_fit_the_status_is_refused(site):
    for number, path in ((OVERLAP, "retract"), (ASKS, "reprocess"), (LOADED, "overlap"), (REFUSED, "retract")):
        answer = site.get(f"/uploads/{number}/{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "upload_status")


@pytest.mark.parametrize("number", ["7000", str(2**63), "9" * 3000, "9" * 5000])
def test_an_unknown_upload_is_not_found(site, number):
    for path in ("", "/live", "/fates", "/rejects", "/rejects.json", "/rejects.csv", "/retract", "/resume"):
        assert site.get(f"/uploads/{number}{path}").status_code == 404


def test_an_answer_and_a_retraction_are_carried_out_by_real_runs(database, tmp_path):
    made = ViewershipPlace(database, tmp_path)
    made.catalogue()
    made.run(made.file("=days.csv", HEAD + "Calm River,1,1,The Storm,03/04/2025,1.5\n"))
    settings = ConsoleSettings(
        database_url=database.url, viewership_bucket=made.bucket, state_dir=str(tmp_path / "state"), launch="process"
    )

    def status() -> str:
        return str(made.rows("SELECT status FROM viewership.uploads")[0][0])

    with TestClient(create(settings), base_url="http://localhost:8080", follow_redirects=False) as client:
        values = {"seen": seen(client.get("/uploads/1").text), "answer": "1"}
        assert client.post("/uploads/1/answer", data=values, headers=ORIGIN).status_code == 303
        until(lambda: status() == "loaded" and "hx-trigger" not in client.get("/uploads/1/live").text, 90)
        assert "run success" in words(client.get("/uploads/1").text)
        assert made.rows("SELECT date::text, filename FROM viewership.episode_details") == [("2025-04-03", "=days.csv")]
        reason = "--by=x; $(id) 'wrong'"
        values = {"seen": seen(client.get("/uploads/1/retract").text), "reason": reason}
        assert client.post("/uploads/1/retract", data=values, headers=ORIGIN).status_code == 303
        until(lambda: status() == "retracted" and not child._running, 90)
    [(by, given)] = made.rows("SELECT retracted_by, retracted_reason FROM viewership.uploads")
    assert (by, given) == (made.rows("SELECT requested_by FROM console.launches LIMIT 1")[0][0], reason)
    assert made.final() == (0, 0)


def test_text_of_files_is_data(site, place):
    hostile = "<img src=x onerror=alert(1)>"
    place.database.rows("UPDATE viewership.uploads SET message = %s WHERE upload_id = %s", hostile, REFUSED)
    page = site.get(f"/uploads/{REFUSED}").text
    assert hostile not in page
    assert hostile in unescape(page)


def test_the_search_finds_uploads_by_number_and_by_name(site):
    assert site.get(f"/search?q={OTHER}").headers["location"] == f"/uploads/{OTHER}"
    assert site.get("/search?q=EXPORT").headers["location"] == f"/uploads/{COPY}"
    hits = words(site.get("/search?q=july").text)
    assert "1: july.csv canonical, loaded" in hits
    assert "2: july-corrected.csv canonical, overlap" in hits


def test_the_home_page_counts_failed_and_waiting_uploads(site):
    text = site.get("/").text
    home = words(text)
    assert "1 Failed uploads" in home
    assert "3 Uploads with a question" in home
    assert len(re.findall(r'href="/runs\?status=(?:failed|interrupted|partial)&amp;from=\d{4}-\d\d-\d\d"', text)) == 3
    # What is zero is a line below the cards, not one of them.
    assert re.search(r'class="quiet".*<b>0</b> SLO breaches', text, re.DOTALL)
    assert "SLO breaches" not in text[: text.index('class="quiet"')]


def test_a_card_counts_what_its_link_lists(site, place):
    # The first moment of yesterday, and the last one before it.
    day = "CAST((now() AT TIME ZONE 'UTC')::date - 1 AS timestamp) AT TIME ZONE 'UTC'"
    kept = place.rows(f"SELECT updated_at, created_at FROM viewership.uploads WHERE upload_id = {REFUSED}")[0]
    statuses = ("failed", "partial", "interrupted", "running")
    counts = []
    try:
        for moment in (day, f"{day} - interval '1 microsecond'"):
            place.database.rows(
                f"UPDATE viewership.uploads SET updated_at = {moment}, created_at = {day} - interval '9 days'"
                f" WHERE upload_id = {REFUSED}"
            )
            for status in statuses:
                place.database.rows(
                    "INSERT INTO pipeline.runs (run_id, pipeline, status, created_at, finished_at)"
                    f" VALUES (gen_random_uuid()::text, 'card', %s, {moment},"
                    " CASE WHEN %s = 'running' THEN NULL ELSE now() END)",
                    status,
                    status,
                )
            found = {}
            for href, number in re.findall(
                r'<a href="(/(?:runs|uploads)\?status=[^"]+)"[^>]*><b>(\d+)</b>', site.get("/").text
            ):
                path, _, query = unescape(href).partition("?")
                assert len(site.get(f"{path}.json?{query}").json()["rows"]) == int(number), href
                found[path + re.findall("status=([a-z]+)", query)[0]] = int(number)
            counts.append(found)
    finally:
        place.database.rows("DELETE FROM pipeline.runs WHERE pipeline = 'card'")
        place.database.rows(
            "UPDATE viewership.uploads SET updated_at = %s, created_at = %s WHERE upload_id = %s", *kept, REFUSED
        )
    assert counts[0]["/uploadsfailed"] == counts[1]["/uploadsfailed"] + 1
    assert [counts[0][f"/runs{status}"] - counts[1][f"/runs{status}"] for status in statuses] == [0, 0, 0, -1]
