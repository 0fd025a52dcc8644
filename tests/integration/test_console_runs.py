"""The pages of runs and failed items against a real PostgreSQL."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import csv
import io
import json
import re
import warnings
from contextlib import closing
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest

from jobs.console.app import create
from jobs.console.settings import ConsoleSettings
from tests.postgres_server import Database, database, postgres  # noqa: F401, TC001 - fixtures

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

with warnings.catch_warnings():
    # The client's own advice about its next dependency.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

HOSTILE = (
    "<script>alert(1)</script>",
    "{{ 7*7 }}${{7*7}}",
    '"><img src=x onerror=alert(1)>',
    "=HYPERLINK(1)",
    "a\u202eb",
)
LONG = "é" * 512
ITEMS = [*HOSTILE, LONG, *(f"season-1/{number:02d}_100%.tar" for number in range(24))]


def seed(database: Database, folder: Path) -> None:
    runs = (
        ("0001-failed", "gamedata", "failed", "3 hours", "extract", "<b>no</b> {{ 1+1 }}"),
        ("0002-good", "trakt", "success", "2 hours", None, None),
        ("0003-live", "gamedata", "running", "0 s", None, None),
        ("0004-stale", "gamedata", "running", "61 s", None, None),
        ("0005-old", "trakt", "partial", "40 days", "ingest", None),
    )
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO pipeline.runs (run_id, pipeline, status, parameters, version, host, created_at, started_at,"
            " heartbeat_at, finished_at, error_stage, error_message) SELECT %(id)s, %(pipeline)s, %(status)s, '{}',"
            " '1', 'laptop:7', t, t, t + interval '1 s',"
            " CASE WHEN %(status)s <> 'running' THEN t + interval '90 s' END,"
            " %(stage)s, %(message)s FROM (SELECT now() - %(age)s::interval AS t) AS times",
            [dict(zip(("id", "pipeline", "status", "age", "stage", "message"), each, strict=True)) for each in runs],
        )
        cursor.executemany(
            "INSERT INTO pipeline.run_stages (run_id, stage, stage_order, pipeline, status, parameters, started_at,"
            " heartbeat_at, finished_at, counts, exit_code, manifest_key, error_message, error_details)"
            " SELECT run_id, %s, 2, pipeline, status, %s, started_at, heartbeat_at, finished_at, %s, %s, %s,"
            " error_message, %s FROM pipeline.runs WHERE run_id = %s",
            [
                (
                    "extract",
                    json.dumps(
                        {
                            "workers": 4,
                            "prefix": "<i>x</i>",
                            "_origin": {
                                "changed": ["prefix"],
                                "command": "telecine gamedata extract --prefix '<i>x</i>'",
                                "namespace": "media",
                                "workflow": "gamedata-1",
                                "report": f"file://{folder}/reports/0001-failed/report.html",
                            },
                        }
                    ),
                    json.dumps({"items": 30, "failed": 30}),
                    65,
                    "s3://bucket/manifest.parquet",
                    json.dumps({"errors": [{"code": "source_unreadable", "item": "x"}]}),
                    "0001-failed",
                ),
                ("sweep", json.dumps({"workers": 4}), "{}", 0, None, None, "0002-good"),
                ("extract", "{}", "{}", None, None, None, "0003-live"),
                ("extract", "{}", "{}", None, None, None, "0004-stale"),
                ("ingest", "{}", "{}", 65, None, None, "0005-old"),
            ],
        )
        cursor.executemany(
            "INSERT INTO pipeline.item_errors (run_id, stage, item, code, retryable, message, details, at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, now() - %s * interval '1 s')",
            [
                (
                    *("0001-failed", "extract", item, "video_invalid" if number % 3 else "decode_timeout"),
                    *(number % 2 == 0, f"cannot open {item[:40]}", json.dumps({"why": HOSTILE[0]}), number),
                )
                for number, item in enumerate(ITEMS)
            ]
            + [("0005-old", "ingest", "season-1/00_100%.tar", "page_missing", False, "m", "{}", 4_000_000)],
        )


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Iterator[tuple[TestClient, Database]]:
    seed(database, tmp_path)
    (tmp_path / "reports" / "0001-failed").mkdir(parents=True)
    (tmp_path / "reports" / "0001-failed" / "report.html").write_text("<script>alert(1)</script><p>report</p>")
    settings = ConsoleSettings(
        database_url=database.url,
        state_dir=str(tmp_path),
        argo_link="https://argo.example/workflows/{namespace}/{workflow}",
    )
    with TestClient(create(settings), base_url="http://localhost") as client:
        yield client, database


def cells(html: str, column: str) -> list[str]:
    """Return the texts of a column, as a browser shows them."""
    found = re.findall(rf'data-label="{column}"[^>]*>(.*?)</t[dh]>', html, re.DOTALL)
    return [" ".join(unescape(re.sub(r"<[^>]+>", "", each)).split()) for each in found]


def rows_of(client: TestClient, path: str, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(f"{path}.json", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["rows"])


def ids(client: TestClient, **query: Any) -> list[str]:
    return sorted(row["run_id"] for row in rows_of(client, "/runs", **query))


def test_runs_and_errors_answer_as_their_filters_say(place):
    client, _ = place
    page = client.get("/runs").text
    assert cells(page, "status") == ["running", "interrupted", "success", "failed", "partial"]
    assert ids(client, status="interrupted") == ["0004-stale"]
    assert ids(client, status="running") == ["0003-live"]
    assert ids(client, code="video_invalid") == ["0001-failed"]
    assert ids(client, code="source_unreadable") == ["0001-failed"], "the error of a stage counts too"
    assert ids(client, code="page_missing", item="season-1/00_") == ["0005-old"]
    assert ids(client, item="season-1/00_100%") == ["0001-failed", "0005-old"]
    assert ids(client, item="season-1/0%") == [], "% is text"
    assert ids(client, q="0002") == ["0002-good"]
    (old,) = rows_of(client, "/runs", q="0005")
    day = old["created_at"][:10]
    assert ids(client, **{"from": day, "to": day}) == ["0005-old"]
    assert len(rows_of(client, "/errors", pipeline="trakt")) == 1
    assert len(rows_of(client, "/errors", pipeline="gamedata", retryable="true", code="decode_timeout")) == 5
    assert len(rows_of(client, "/errors", **{"from": day, "to": day})) == 0
    for path, names in (
        ("/runs?form=1", "did you mean from?"),
        ("/runs?status=bad", "pending, running"),
        ("/runs?from=x", "from="),
    ):
        answer = client.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 400
        assert names in unescape(answer.text)


def test_the_strip_counts_the_runs_of_thirty_days_and_links_to_each(place):
    client, _ = place
    page = client.get("/runs").text
    links = re.findall(r'<a href="/runs\?([^"]+)" aria-label="(\d{4}-\d\d-\d\d): (\d+) runs?', page)
    assert len(links) == 30
    assert sum(int(number) for _, _, number in links) == 4, "a run of 40 days ago is not among them"
    query, day, number = next(each for each in links if each[2] != "0")
    assert unescape(query) == f"from={day}&to={day}"
    assert len(rows_of(client, "/runs", **{"from": day, "to": day})) == int(number)


def test_what_names_and_messages_contain_is_shown_and_never_run(place):
    client, _ = place
    for path in ("/runs", "/runs/0001-failed", "/runs/0001-failed/errors", "/errors", "/search?q=%3Cscript"):
        page = client.get(path).text
        assert "alert(1)</script>" not in page
        assert "<img src=x" not in page
        assert "<b>no</b>" not in page
        assert ">49<" not in page
    items = cells(client.get("/runs/0001-failed/errors").text, "item")
    assert sorted(items) == sorted(each.replace("\u202e", r"\u202e") for each in ITEMS)


def test_the_page_of_a_run_says_how_it_was_started_and_how_it_ended(place):
    client, _ = place
    page = client.get("/runs/0001-failed").text
    words = " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())
    for text in (
        "Changed from the defaults", "prefix <i>x</i>", "1 with default values", "65 bad data", "manifest.parquet",
        "telecine gamedata extract --prefix '<i>x</i>'", "<b>no</b> {{ 1+1 }}", "took 1 min 30 s",
    ):  # fmt: skip
        assert text in words
    assert 'href="https://argo.example/workflows/media/gamedata-1"' in page
    assert "hx-get" not in page, "a run that has ended is not polled"
    assert "#list" not in page, "its filters lead to the list of its failed items, which is another page"
    assert 'sandbox loading="lazy"' in page
    old = client.get("/runs/0002-good").text
    assert "did not mark changed parameters" in old
    assert "argo.example" not in old
    assert client.get("/runs/none").status_code == 404


def test_paging_returns_each_error_once_while_others_arrive(place):
    client, database = place
    url, seen = "/runs/0001-failed/errors.json?limit=7", []
    while url:
        answer = client.get(url).json()
        seen += [row["item"] for row in answer["rows"]]
        url = answer["next"]
        database.rows(
            "INSERT INTO pipeline.item_errors (run_id, stage, item, code, retryable, message, at)"
            " VALUES ('0001-failed', 'extract', %s, 'new', false, 'm', now())",
            f"!{len(seen)}",
        )
    assert sorted(item for item in seen if not item.startswith("!")) == sorted(ITEMS)
    assert len(seen) == len(set(seen))
    newest, pages = "/errors?limit=7", []
    while newest:
        page = client.get(newest).text
        pages += cells(page, "item")
        found = re.search(r'href="([^"]+)" rel="next"', page)
        newest = unescape(found[1]) if found else ""
    assert {each.replace("\u202e", r"\u202e") for each in ITEMS} <= set(pages)


def test_a_list_and_its_twins_have_the_same_rows(place):
    client, _ = place
    query = "?code=decode_timeout&limit=200"
    for path, key, name in (
        ("/errors", "item", "item"),
        ("/runs/0001-failed/errors", "item", "item"),
        ("/runs", "run", "run_id"),
    ):
        page = cells(client.get(path + query).text, key)
        rows = [row[name] for row in client.get(f"{path}.json{query}").json()["rows"]]
        table = list(csv.DictReader(io.StringIO(client.get(f"{path}.csv{query}").content.decode("utf-8-sig"))))
        assert page == [row.replace("\u202e", r"\u202e") for row in rows] != []
        assert [row[name].removeprefix("'") for row in table] == page
    text = client.get("/errors.csv?item=%3D").content.decode("utf-8-sig")
    (formula,) = csv.DictReader(io.StringIO(text))
    assert formula["item"] == "'=HYPERLINK(1)"


def test_the_facets_count_what_the_other_filters_leave(place):
    client, _ = place

    def facets(path: str) -> dict[str, str]:
        page = client.get(path).text
        aside = page[page.index('<aside class="facets"') : page.index("</aside>")]
        return dict(re.findall(r'<a [^>]*>(\S+) <span class="dim">([\d,+]+)<', aside))

    assert facets("/errors") == {
        "video_invalid": "20",
        "decode_timeout": "10",
        "page_missing": "1",
        "no": "16",
        "yes": "15",
        "gamedata": "30",
        "trakt": "1",
        "extract": "30",
        "ingest": "1",
    }
    chosen = facets("/errors?code=decode_timeout&retryable=true")
    assert chosen["decode_timeout"] == "5"
    assert chosen["video_invalid"] == "10"
    assert (chosen["yes"], chosen["no"]) == ("5", "5")


def test_a_running_run_is_polled_until_it_ends_and_unchanged_it_costs_304(place):
    client, database = place
    page = client.get("/runs/0003-live").text
    tag = re.search(r'hx-headers=\'\{"If-None-Match": "\\"(\w+)\\""\}\'', page)
    assert tag is not None
    assert 'hx-trigger="every 2s"' in page
    same = client.get("/runs/0003-live/live", headers={"If-None-Match": f'"{tag[1]}"'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", f'"{tag[1]}"')
    database.rows("UPDATE pipeline.runs SET heartbeat_at = heartbeat_at + interval '10 s' WHERE run_id = '0003-live'")
    assert client.get("/runs/0003-live/live", headers={"If-None-Match": f'"{tag[1]}"'}).status_code == 200
    for table in ("runs", "run_stages"):
        database.rows(f"UPDATE pipeline.{table} SET status = 'success', finished_at = now() WHERE run_id = '0003-live'")
    ended = client.get("/runs/0003-live/live", headers={"If-None-Match": f'"{tag[1]}"'}).text
    assert "success" in ended
    assert "hx-" not in ended


def test_a_report_is_served_without_script_and_only_from_its_folder(place, tmp_path):
    client, database = place
    answer = client.get("/runs/0001-failed/stages/extract/report")
    assert answer.text == "<script>alert(1)</script><p>report</p>"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert "script-src" not in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    (tmp_path / "reports" / "0001-failed" / "report.html").unlink()
    assert client.get("/runs/0001-failed/stages/extract/report").status_code == 404
    for uri in ("file:///etc/hostname", f"file://{tmp_path}/reports/../other.html", "s3://bucket/report.html"):
        (tmp_path / "other.html").write_text("other")
        database.rows(
            "UPDATE pipeline.run_stages SET parameters = jsonb_set(parameters, '{_origin,report}', to_jsonb(%s::text))"
            " WHERE run_id = '0001-failed'",
            uri,
        )
        assert client.get("/runs/0001-failed/stages/extract/report").status_code == 404, uri
        assert "<iframe" not in client.get("/runs/0001-failed").text
    assert client.get("/runs/0001-failed/stages/none/report").status_code == 404


def test_a_search_opens_a_single_hit_and_lists_several(place):
    client, _ = place
    one = client.get("/search?q=0001-f", follow_redirects=False)
    assert (one.status_code, one.headers["location"]) == (303, "/runs/0001-failed")
    item = client.get("/search", params={"q": LONG[:150]}, follow_redirects=False)
    assert item.status_code == 303
    assert cells(client.get(item.headers["location"]).text, "item") == [LONG]
    assert client.get("/search?q=000").text.count('href="/runs/000') == 5
    assert "No matches." in client.get("/search?q=zzz").text
