"""The pages of episodes and persons, on runs that the real pipeline sampled and ingested."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import csv
import hashlib
import html
import io
import json
import re
import shlex
import threading
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from jobs.console.app import create
from jobs.console.pages.screenalytics import episodes
from jobs.console.tables import snapshots
from jobs.screenalytics.settings import IngestSettings, ReplaySettings, SampleSettings
from jobs.screenalytics.steps import ingest, replay, sample
from shared.ledger import open_stage
from shared.settings.command import parse
from tests.console_app import BROWSER, Answer, ask, settings
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import _database, empty_database, made_database, postgres  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import ASGIApp

    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

HOSTILE = (
    "../../etc/passwd",
    "a//b/../c",
    "q?id=x#frag&of=y%2e%00",
    " spaces at both ends ",
    "<script>alert(1)</script>/\"'",
    "日本/\u202egpj",
    "=HYPERLINK(1)",
    "new\nline\x1b[31m",
    "..",
    "x" * 255,
)
REF = uuid.UUID("11111111-2222-4333-8444-555555555555")
HTML = "<img src=x onerror=alert(1)>"


def add(database: Database, ep_id: str, run_id: str, persons: dict[str, tuple[Any, ...]], **values: Any) -> None:
    """Write a run of a producer whose ids are anything."""
    digest = "a" * 64
    row = {
        "run_id": run_id,
        "ep_id": ep_id,
        "source": "s3://b",
        "manifest_key": f"derived/runs/{run_id}/manifest.json",
        "manifest_sha256": digest,
        "manifest_etag": "e",
        "schema_version": "1.0",
        "persons": len(persons),
        "output_hash": digest,
        "pipeline_run_id": "gone",
        **values,
    }
    database.rows(
        f"INSERT INTO screenalytics.runs ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})", *row.values()
    )
    database.rows(
        "INSERT INTO screenalytics.artifacts (run_id, artifact_key, artifact_kind, s3_key, schema_version, fetched)"
        " VALUES (%s, 'a', 'person_metrics', %s, 'screentime.v1', true)",
        *(run_id, f"derived/runs/{run_id}/{HTML}.json"),
    )
    for person_id, (name, onscreen_ms, speaking_ms) in persons.items():
        database.rows(
            "INSERT INTO screenalytics.person_metrics (run_id, person_id, cast_ids, name, onscreen_ms, speaking_ms,"
            " artifact_key, artifact_schema_version, manifest_key, schema_version, pipeline_run_id)"
            " VALUES (%s, %s, '{}', %s, %s, %s, 'a', 'v', 'm', '1.0', 'gone')",
            *(run_id, person_id, name, onscreen_ms, speaking_ms),
        )


def change(folder: Path, run_id: str) -> None:
    """Let a producer overwrite a run: its first person is seen a minute longer, and its last is gone."""
    manifest_file = folder / "derived" / "runs" / run_id / "manifest.json"
    manifest = json.loads(manifest_file.read_bytes())
    (named,) = (each for each in manifest["artifacts"] if each["artifact_kind"] == "person_metrics")
    file = folder / named["s3_key"]
    content = json.loads(file.read_bytes())
    content["metrics"].pop()
    first = content["metrics"][0]
    first["visual_s"] = first["face_visible_seconds"] = first["visual_s"] + 60
    body = json.dumps(content).encode()
    file.write_bytes(body)
    named |= {
        "checksum_sha256": hashlib.sha256(body).hexdigest(),
        "size_bytes": len(body),
        "row_count": len(content["metrics"]),
    }
    manifest.pop("duration_ms", None)
    manifest_file.write_text(json.dumps(manifest))


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("screen") / "runs"


@pytest.fixture(scope="module")
def database(postgres: str, bucket: Path) -> Iterator[Database]:
    with made_database(postgres) as made:
        sample.run(SampleSettings(output=str(bucket)), MemoryStageRun())
        common: dict[str, Any] = {"database_url": made.url, "bucket": str(bucket), "grace_min": 0}
        given = IngestSettings(**common, run_id="ledger-1", arrival="poll")
        with open_stage(given, pipeline="screenalytics", stage="sync_screenalytics", order=6, parameters={}) as stage:
            stage.finish(ingest.run(given, stage))
        (run_id, _), *_ = made.rows(
            "SELECT run_id, ep_id FROM screenalytics.latest_runs WHERE ep_id LIKE 'harborlights%' ORDER BY ep_id"
        )
        change(bucket, run_id)
        replay.run(ReplaySettings(**common, run=run_id, accept_changed=True), MemoryStageRun(run_id="ledger-2"))
        yield made


@pytest.fixture(scope="module")
def app(database: Database) -> Iterator[ASGIApp]:
    with pytest.MonkeyPatch.context() as patch:
        # On a busy machine a copy of these few rows takes longer than lists may wait for it.
        patch.setattr(snapshots, "_AT_ONCE_MS", 60_000)
        yield create(settings(database_url=database.url))


def page(app: ASGIApp, target: str = "/episodes", **query: Any) -> Answer:
    return ask(app, target + (f"?{urlencode(query)}" if query else ""), headers=BROWSER)


def words(answer: Answer) -> str:
    """Return the words of a page, as a reader sees them."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def listed(app: ASGIApp, path: str = "/episodes", **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    target: str | None = f"{path}.json?" + urlencode({"limit": 7, **query})
    while target:
        answer = ask(app, target)
        assert answer.status == 200, answer.text
        found += answer.json()["rows"]
        target = answer.json()["next"]
        assert len(found) < 1_000
    return found


def links(text: str, path: str) -> list[str]:
    found = [html.unescape(link) for link in re.findall(r'href="([^"]+)"', text)]
    return [link for link in found if urlsplit(link).path == path]


def test_the_list_has_the_sums_of_each_latest_run(app, database):
    expected = database.rows(
        "SELECT run.ep_id, run.run_id, run.persons, coalesce(sum(onscreen_ms), 0)::bigint / 1000.0, casts"
        " FROM screenalytics.latest_runs run LEFT JOIN screenalytics.person_metrics USING (run_id)"
        " GROUP BY run.ep_id, run.run_id, run.persons, casts ORDER BY run.ep_id"
    )
    found = listed(app, sort="episode")
    assert len(found) > 10
    assert [(row["ep_id"], row["run_id"], row["persons"], row["onscreen_s"], row["casts"]) for row in found] == [
        (ep_id, run_id, persons, pytest.approx(float(seconds)), casts)
        for ep_id, run_id, persons, seconds, casts in expected
    ]


@pytest.mark.parametrize("sort", ["newest", "oldest", "onscreen", "speaking", "persons", "warnings"])
def test_pages_in_any_order_have_each_episode_once(app, sort):
    found = [row["ep_id"] for row in listed(app, sort=sort, limit=3)]
    assert sorted(found) == [row["ep_id"] for row in listed(app, sort="episode")]


def test_filters_find_their_episodes(app, database):
    everything = {row["ep_id"]: row for row in listed(app)}
    assert {row["ep_id"] for row in listed(app, show="harborlights")} == {
        ep_id for ep_id in everything if ep_id.startswith("harborlights-")
    }
    assert {row["ep_id"] for row in listed(app, warning="MERGED_CASTS")} == {"oddcases-s01e01", "oddcases-s01e23"}
    assert len(listed(app, warning="any")) == len([row for row in everything.values() if row["warnings"]])
    assert [row["ep_id"] for row in listed(app, q="S01E02", show="oddcases")] == ["oddcases-s01e02"]
    assert listed(app, season=7) == []
    assert listed(app, to="2001-01-01") == []
    assert listed(app, status="source_deleted") == []
    name, ep_id = database.rows(
        "SELECT name, ep_id FROM screenalytics.latest_person_metrics WHERE name IS NOT NULL ORDER BY ep_id, person_id"
    )[0]
    for given in (name, name.upper()):
        assert ep_id in {row["ep_id"] for row in listed(app, person=given)}
    with_id = {ep for (ep,) in database.rows(
        "SELECT ep_id FROM screenalytics.latest_person_metrics WHERE person_id = 'p_0001'"
    )}  # fmt: skip
    assert {row["ep_id"] for row in listed(app, person="p_0001")} == with_id
    assert {row["ep_id"] for row in listed(app, person="p_0001", show="oddcases")} == {
        ep_id for ep_id in with_id if ep_id.startswith("oddcases-")
    }


def test_a_filter_by_a_frequent_id_says_that_it_was_cut(app, monkeypatch):
    monkeypatch.setattr(episodes, "_PERSON_EPISODES", 3)
    newest = [row["ep_id"] for row in listed(app, person="p_0001")]
    assert len(newest) == 3
    assert "Only the newest 3 episodes with this person" in words(page(app, person="p_0001"))
    assert "Only the newest" not in words(page(app, person="p_0001", show="no-show"))


@pytest.mark.parametrize(
    ("path", "query", "named"),
    [
        ("/episodes", "status=deleted", "ingested, source_deleted"),
        ("/episodes", "season=first", "valid integer"),
        ("/episodes", "colour=red", "is not a parameter"),
        ("/persons", "linked=perhaps", "true, false"),
        ("/episodes/not-ingested", "state=ingested", "rejected, quarantined, dead, deferred"),
        ("/episodes/by-id", "", "'id' is missing"),
        ("/episodes/by-id", "id=a&id=b", "given twice"),
        ("/episodes/by-id", "id=a%00b", "'id' is missing"),
        ("/persons/by-id", "of=x", "'id' is missing"),
        ("/persons/by-id", f"id={'x' * 1_025}", "too long"),
    ],
)
def test_bad_parameters_are_refused_by_name(app, path, query, named):
    answer = page(app, f"{path}?{query}")
    assert answer.status == 400
    assert named in html.unescape(answer.text)


def test_facets_count_and_lead_to_their_lists(app):
    text = page(app, show="oddcases").text
    part = text[text.index('class="facets"') : text.index("</aside>")]
    (link,) = (
        each for each in links(part, "/episodes") if parse_qs(urlsplit(each).query).get("warning") == ["MERGED_CASTS"]
    )
    assert parse_qs(urlsplit(link).query)["show"] == ["oddcases"]
    assert re.search(r"MERGED_CASTS <span class=\"dim\">2</span>", part)
    assert len(links(part, "/episodes")) > 5


def test_an_episode_shows_its_persons_with_bars_and_values(app, database):
    (ep_id,) = database.rows("SELECT ep_id FROM screenalytics.latest_runs WHERE ep_id LIKE 'northpier%' LIMIT 1")[0]
    answer = page(app, "/episodes/by-id", id=ep_id)
    assert answer.status == 200
    persons = database.rows(
        "SELECT person_id, name, onscreen_ms FROM screenalytics.latest_person_metrics WHERE ep_id = %s"
        " ORDER BY onscreen_ms DESC", ep_id,
    )  # fmt: skip
    widths = [float(each) for each in re.findall(r'<rect class="seen" x="0" y="2" width="([0-9.]+)"', answer.text)]
    times = [ms for _, _, ms in persons if ms]
    assert len(widths) == len(times) == 12
    assert [round(width / widths[0], 2) for width in widths] == [round(ms / times[0], 2) for ms in times]
    shown = words(answer)
    for _, name, _ in persons:
        assert name in shown
    assert len(links(answer.text, "/persons/by-id")) == len(persons)
    assert "read and verified" in shown
    assert links(answer.text, "/runs/ledger-1")
    assert len(answer.body) < 60_000


def test_a_replaced_run_shows_what_changed(app, database, bucket):
    ((ep_id, run_id),) = database.rows(
        "SELECT run.ep_id, run_id FROM screenalytics.replaced_runs JOIN screenalytics.runs run USING (run_id)"
    )
    shown = words(page(app, "/episodes/by-id", id=ep_id))
    assert f"{run_id} revision 1, replaced" in shown
    assert "0 persons are new, 1 are gone, and 1 have different times" in shown
    assert "(+1 min 0 s)" in shown
    # Each good episode has an older attempt as well.
    assert "attempt 1, 12 persons" in shown
    (row,) = (row for row in listed(app) if row["ep_id"] == ep_id)
    assert (row["older_runs"], row["replaced_runs"]) == (1, 1)
    command = f"telecine screenalytics replay {run_id} --bucket={bucket.as_uri()} --prefix=derived"
    assert command in shown


def test_a_version_with_the_same_times_says_so(app, database):
    add(database, "same-s01e01", "same-1", {"p": ("P", 1000, None)}, attempt=1)
    add(database, "same-s01e01", "same-2", {"p": ("P", 1000, None)}, attempt=2)
    assert "The same persons with the same times" in words(page(app, "/episodes/by-id", id="same-s01e01"))


def test_manifests_that_were_not_ingested_have_a_code_and_the_command_that_retries_them(app, database, bucket):
    expected = dict(
        database.rows(
            "SELECT run_id, code FROM screenalytics.ingest_items WHERE state IN ('rejected', 'deferred', 'dead')"
        )
    )
    found = {row["run_id"]: row for row in listed(app, "/episodes/not-ingested")}
    assert len(expected) > 10
    assert {run_id: row["code"] for run_id, row in found.items()} == expected
    assert set(
        listed_runs := [row["run_id"] for row in listed(app, "/episodes/not-ingested", code="CHECKSUM_MISMATCH")]
    )
    assert listed_runs == ["checksum"]
    (row,) = listed(app, "/episodes/not-ingested", run="check")
    program, *typed = shlex.split(row["replay"])
    given = parse(ReplaySettings, "telecine screenalytics replay", "", typed[2:])
    assert (program, typed[:2]) == ("telecine", ["screenalytics", "replay"])
    assert (given.run, given.bucket, given.prefix) == ("checksum", bucket.as_uri(), "derived")
    text = page(app, "/episodes/not-ingested").text
    assert html.unescape(text).count("data-copy=") == len(expected)
    assert f"{len(expected)} manifests not ingested" in words(page(app))


def test_a_changed_manifest_is_shown_at_its_episode_with_consent_in_the_command(app, database):
    add(database, "changed-s01e01", "changed-1", {"p": ("P", 5, 5)})
    database.rows(
        "INSERT INTO screenalytics.ingest_items (source, manifest_key, run_id, state, attempts, code, message,"
        " pipeline_run_id) VALUES ('s3://b', 'derived/runs/changed-1/manifest.json', 'changed-1', 'quarantined', 1,"
        " 'MANIFEST_CHANGED', %s, 'ledger-1')",
        f"{HTML} postgresql://u:secret-word@h/d",
    )
    answer = page(app, "/episodes/by-id", id="changed-s01e01")
    assert "telecine screenalytics replay changed-1 --accept-changed --bucket=s3://b --prefix=derived" in words(answer)
    assert HTML not in answer.text
    assert "secret-word" not in answer.text
    assert [row["ep_id"] for row in listed(app, not_ingested="true")] == ["changed-s01e01"]
    database.rows("DELETE FROM screenalytics.ingest_items WHERE run_id = 'changed-1'")
    database.rows("DELETE FROM screenalytics.runs WHERE run_id = 'changed-1'")


def test_an_unknown_time_of_speaking_stays_unknown(app, database):
    add(database, "silent-s01e01", "silent-1", {"p": ("Silent", 5_000, None)})
    (episode,) = listed(app, q="silent-")
    (person,) = listed(app, "/persons", q="silent")
    assert (episode["onscreen_s"], episode["speaking_s"]) == (5.0, None)
    assert (person["onscreen_s"], person["speaking_s"]) == (5.0, None)
    database.rows("DELETE FROM screenalytics.runs WHERE run_id = 'silent-1'")


def test_lists_follow_the_tables_at_once_while_they_are_small(app, database):
    before = len(listed(app))
    add(database, "fresh-s01e01", "fresh-1", {"p": ("Fresh", 5, None)})
    assert len(listed(app)) == before + 1
    assert [row["name"] for row in listed(app, "/persons", q="fresh")] == ["Fresh"]
    database.rows("DELETE FROM screenalytics.runs WHERE run_id = 'fresh-1'")
    assert len(listed(app)) == before
    assert listed(app, "/persons", q="fresh") == []


def test_a_slow_copy_is_made_in_the_background_and_the_page_says_how_old_it_is(app, database, monkeypatch):
    monkeypatch.setattr(snapshots, "_AT_ONCE_MS", -1)
    monkeypatch.setattr(snapshots, "_LEAST_S", 0)
    monkeypatch.setattr(snapshots, "_TIMES", 0)
    copies = app.app.state.console.snapshots
    copies.refresh("screenalytics")
    source = snapshots._SOURCES["screenalytics"]
    shown = threading.Event()

    def make(session):
        assert shown.wait(30), "the page waits for the copy"
        source.make(session)

    monkeypatch.setitem(snapshots._SOURCES, "screenalytics", replace(source, make=make))
    add(database, "late-s01e01", "late-1", {})
    text = words(page(app))
    assert "As of 20" in text
    assert "late-s01e01" not in text
    shown.set()
    copies.wait()
    assert "As of 20" not in words(page(app))
    assert [row["ep_id"] for row in listed(app, q="late-")] == ["late-s01e01"]
    database.rows("DELETE FROM screenalytics.runs WHERE run_id LIKE 'late-_'")


def test_persons_are_summed_by_show_or_by_the_catalogue(app, database):
    add(
        database,
        "sum-s01e01",
        "sum-1",
        {"p_1": ("Ida", 1_000, 500), "p_2": ("Ida B.", 10, None), "p_3": (None, 7, None)},
    )
    add(database, "sum-s01e02", "sum-2", {"p_1": ("Ida", 2_000, None)}, completed_at="2026-05-01T00:00:00Z")
    add(database, "other show", "sum-3", {str(REF): ("Ida", 4_000, None), "p_1": ("Another Ida", 1, 1)})
    before = {(row["person_id"], *row["shows"]): row for row in listed(app, "/persons")}
    assert (before["p_1", "sum"]["episodes"], before["p_1", "sum"]["onscreen_s"]) == (2, 3.0)
    assert before["p_3", "sum"]["name"] == "p_3"
    assert before[str(REF), "other show"]["linked"] is True
    database.rows(
        "INSERT INTO screenalytics.person_links (show, person_id, person_ref) VALUES ('sum', 'p_1', %s),"
        " ('sum', 'p_2', %s)",
        *(REF, REF),
    )
    (linked,) = listed(app, "/persons", linked="true", show="sum")
    # p_1 and p_2 of one episode are one person: three episodes, not four.
    assert (linked["person_id"], linked["shows"], linked["episodes"]) == (str(REF), ["other show", "sum"], 3)
    assert (linked["onscreen_s"], linked["speaking_s"]) == (7.01, 0.5)
    assert [row["name"] for row in listed(app, "/persons", show="other show", linked="false")] == ["Another Ida"]
    everywhere = {"sum-s01e01", "sum-s01e02", "other show"}
    assert {row["ep_id"] for row in listed(app, person=str(REF))} == everywhere
    assert {row["ep_id"] for row in listed(app, person="ida b.")} == everywhere
    answer = page(app, "/persons/by-id", id=str(REF))
    shown = words(answer)
    assert "computed for 1 of 3 episodes" in shown
    assert [parse_qs(urlsplit(link).query)["id"] for link in links(answer.text, "/episodes/by-id")] == [
        *(["other show"], ["sum-s01e01"], ["sum-s01e01"], ["sum-s01e02"])
    ]
    moved = page(app, "/persons/by-id", id="p_2", of="sum")
    assert (moved.status, moved.header("location")) == (303, f"/persons/by-id?id={REF}")
    assert "Another Ida" in words(page(app, "/persons/by-id", id="p_1", of="other show"))
    database.rows("DELETE FROM screenalytics.person_links")
    database.rows("DELETE FROM screenalytics.runs WHERE run_id LIKE 'sum-_'")


@pytest.mark.parametrize("sort", ["onscreen", "speaking", "episodes", "name", "recent"])
def test_pages_of_persons_have_each_once(app, database, sort):
    found = [(tuple(row["shows"]), row["person_id"]) for row in listed(app, "/persons", sort=sort, limit=13)]
    listed(app)
    assert len(found) == len(set(found)) == database.rows("SELECT count(*) FROM console.persons")[0][0]


def test_previous_and_next_follow_the_order_and_the_filters(app):
    order = [row["ep_id"] for row in listed(app, show="oddcases", sort="onscreen")]
    target: str | None = "/episodes/by-id?" + urlencode({"id": order[0], "show": "oddcases", "sort": "onscreen"})
    walked = []
    while target:
        walked.append(parse_qs(urlsplit(target).query)["id"][0])
        turns = dict(re.findall(r'href="([^"]+)" rel="(prev|next)"', page(app, target).text))
        target = {way: html.unescape(link) for link, way in turns.items()}.get("next")
    assert walked == order


@pytest.mark.parametrize("hostile", HOSTILE)
def test_any_episode_and_person_is_found_by_the_link_of_its_list(app, database, hostile):
    number = HOSTILE.index(hostile)
    person = hostile if hostile.isprintable() else "plain"
    add(database, hostile, f"hostile-{number}", {person: (HTML, 5, None)}, warnings=json.dumps([{"code": HTML}, 1]))
    for path, detail in (("/episodes", "/episodes/by-id"), ("/persons", "/persons/by-id")):
        listing = page(app, path, limit=200)
        (target,) = {
            link
            for link in links(listing.text, detail)
            if parse_qs(urlsplit(link).query, keep_blank_values=True).get("of", [hostile]) == [hostile]
            and parse_qs(urlsplit(link).query)["id"] == [hostile if path == "/episodes" else person]
        }
        for answer in (listing, page(app, target)):
            assert answer.status == 200
            for bad in ("<script>alert", HTML, "\x1b", "\u202e"):
                assert bad not in answer.text
        assert links(page(app, target).text, "/persons/by-id" if path == "/episodes" else "/episodes/by-id")
    database.rows("DELETE FROM screenalytics.runs WHERE run_id = %s", f"hostile-{number}")


def test_an_unknown_id_is_not_found_and_only_text(app):
    for path, query in (("/episodes/by-id", {}), ("/persons/by-id", {}), ("/persons/by-id", {"of": "show"})):
        answer = page(app, path, id="<b>nobody</b>", **query)
        assert answer.status == 404
        assert "<b>nobody" not in answer.text


def test_csv_neutralises_formulas_and_keeps_numbers(app, database):
    add(database, "=cmd()", "csv-1", {"p": ("+1", 1_500, None)})
    text = ask(app, "/episodes.csv?q=cmd").text.removeprefix("\ufeff")
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["ep_id"], row["onscreen_s"]) == ("'=cmd()", "1.5")
    database.rows("DELETE FROM screenalytics.runs WHERE run_id = 'csv-1'")


def test_the_search_box_finds_episodes_and_persons(app, database):
    (name,) = database.rows("SELECT max(name) FROM screenalytics.latest_person_metrics WHERE name ~ '^[A-Z][a-z]+ '")[0]
    found = page(app, "/search", q=name[:5].lower())
    assert found.status in (200, 303)
    assert "/persons/by-id" in (found.header("location") or found.text)
    assert links(page(app, "/search", q="ODDCASES-s01e0").text, "/episodes/by-id")


def test_an_empty_database_says_what_to_run_and_one_that_is_not_migrated_how(postgres, empty_database):
    with made_database(postgres) as fresh:
        app = create(settings(database_url=fresh.url))
        for path in ("/episodes", "/persons"):
            assert "telecine screenalytics ingest" in page(app, path).text
        assert "Every manifest is ingested" in page(app, "/episodes/not-ingested").text
    app = create(settings(database_url=empty_database.url))
    answer = page(app, "/episodes")
    assert answer.status == 404
    assert "telecine db upgrade" in answer.text
