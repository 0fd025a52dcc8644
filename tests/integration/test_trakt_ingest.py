"""An ingest of a replayer: what bronze holds is what the site shows, and every expected page has its row."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from jobs.trakt.api.client import TraktClient
from jobs.trakt.bronze.tombstones import add_tombstones
from jobs.trakt.commands import STEPS
from jobs.trakt.errors import AmbiguousTitle
from jobs.trakt.ingest.ledger import Ledger
from jobs.trakt.ingest.process import is_dead
from jobs.trakt.ingest.title_reading import TitleReader
from jobs.trakt.settings import IngestSettings
from shared.database.session import transaction
from shared.errors import ConfigurationError, TransientError, UsageError
from shared.step.execute import execute
from tests.postgres_server import database, postgres  # noqa: F401
from tests.trakt_ingest import trakt  # noqa: F401

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

# Titles of the site: the hollow one, one without votes, two shows, the poisoned one.
FEW = (0, 1, 2, 3, 4)


def test_a_calm_site_is_read_completely_with_the_fewest_requests(trakt):
    with trakt("calm") as place:
        report = place.ingest(watch_list=place.watch_list())
        assert (report.status, report.exit_code) == ("success", 0)
        assert place.bronze() == place.truth()
        # One request for the feed; for each title its summary, its ratings, and its pages.
        pages = sum(-(-title["places"] // 250) for title in place.titles())
        assert report.counts["requests"] == 1 + 2 * 24 + pages
        assert place.statuses() == {"good": report.counts["requests"] - 1, "good_empty": 1}
        assert place.rows("SELECT count(*) FROM trakt.sweeps WHERE complete AND verified AND borders") == [(25,)]

        place.tomorrow()
        report = place.ingest(watch_list=place.watch_list())
        swept, named = report.counts["swept"], report.counts["named"]
        assert swept < 24 / 7 + 2
        assert named > 15
        sweeps = place.rows("SELECT sum(pages_expected) FROM trakt.sweeps WHERE run_id = 'run-2'")[0][0]
        feed = place.rows("SELECT count(*) FROM trakt.pages WHERE run_id = 'run-2' AND resource = 'feed'")[0][0]
        in_feed = place.rows("SELECT pages_expected FROM trakt.sweeps WHERE run_id = 'run-2' AND resource = 'feed'")
        listings = sweeps - in_feed[0][0]
        # Pages at the end, summaries of swept titles, ratings of named ones, and absent comments.
        needed = feed + listings + swept + report.counts["ratings"] + report.counts["absent"]
        assert report.counts["requests"] <= 1.02 * needed
        truth, bronze = place.truth(), place.bronze()
        # Every new comment came through the feed; deletions wait for the sweep of their title.
        assert all(truth[key] <= bronze[key] for key in truth)


def test_each_title_is_swept_again_within_seven_days(trakt):
    with trakt("calm") as place:
        watch_list = place.watch_list(1, *range(5, 13))
        place.ingest(watch_list=watch_list)
        swept = []
        for _ in range(7):
            # This test is not about ratings and the feed, and the site's days are long.
            place.tomorrow(site=False)
            swept.append(place.ingest(watch_list=watch_list).counts["swept"])
            old = place.rows(
                "SELECT max(clock_timestamp() - ended_at) <= interval '7 days' FROM (SELECT max(ended_at) AS ended_at"
                " FROM trakt.sweeps WHERE complete AND resource = 'comments' GROUP BY kind, trakt_id) AS last"
            )
            assert old == [(True,)]
        # In turn: not all of them in one run.
        assert (sum(swept), max(swept) <= 3) == (9, True)


def test_a_storm_costs_only_the_requests_that_failed(trakt):
    with trakt("storm", seed=5) as place:
        report = place.ingest(watch_list=place.watch_list())
        assert (report.status, report.counts["complete"]) == ("success", 24)
        landed = sum(place.statuses().values())
        assert report.counts["requests"] == landed + report.counts["retries"]
        assert report.counts["requests"] <= 1.2 * landed
        truth, bronze = place.truth(), place.bronze()
        # Written or deleted after its title was read: an event comes every 3 s of the site.
        assert sum(len(truth[key] ^ bronze.get(key, set())) for key in truth) < 10


def test_counts_that_lie_lose_no_page(trakt):
    with trakt("lies", seed=3) as place:
        report = place.ingest(watch_list=place.watch_list())
        assert (report.status, report.counts["failed"]) == ("success", 0)
        truth, bronze = place.truth(), place.bronze()
        assert all(truth[key] <= bronze[key] for key in truth)
        assert len(place.site.journal.faults) == 5


def test_deleted_comments_are_asked_for_after_a_complete_sweep(trakt):
    with trakt("deletes") as place:
        watch_list = place.watch_list(0, 9)
        place.ingest(watch_list=watch_list)
        keys = [("movie", 1001), (place.titles()[9]["kind"], place.titles()[9]["trakt"])]
        before, bronze = place.bronze(), {}
        place.site.world.advance_to(place.site.clock.advance(3_600_000))
        place.rows("UPDATE trakt.titles SET next_sweep_at = now()")
        report = place.ingest(watch_list=watch_list)
        assert report.counts["deleted"] == report.counts["absent"] > 0
        truth, bronze = place.truth(), place.bronze()
        assert sum(len(before[key] - bronze[key]) for key in keys) == report.counts["deleted"]
        for key in keys:
            # A comment that was deleted after its title was read waits for the next sweep.
            assert len(bronze[key] - truth[key]) <= 2
        assert place.rows(
            "SELECT count(*), count(*) FILTER (WHERE http_status = 404) FROM trakt.pages WHERE resource = 'comment'"
        ) == [(report.counts["absent"], report.counts["deleted"])]


def test_absent_comments_are_asked_for_although_the_run_ended_before_it_did(trakt, monkeypatch):
    with trakt("deletes") as place:
        watch_list = place.watch_list(0)
        place.ingest(watch_list=watch_list)
        before = place.bronze()["movie", 1001]
        place.site.world.advance_to(place.site.clock.advance(3_600_000))
        place.rows("UPDATE trakt.titles SET next_sweep_at = now()")

        async def lost(*_: object) -> None:
            raise TransientError("the database is away")

        with monkeypatch.context() as patch:
            patch.setattr(TitleReader, "_absent", lost)
            report = place.ingest(watch_list=watch_list)
            assert (report.exit_code, report.failures[0].code) == (75, "transient")
        # As a kill leaves them, if the load of their plan was committed before it.
        place.rows("UPDATE trakt.pages SET status = 'planned', reason = NULL WHERE resource = 'comment'"
                   " AND comment_id % 2 = 0")  # fmt: skip
        place.rows("UPDATE trakt.titles SET next_sweep_at = now()")
        report = place.ingest(watch_list=watch_list)
        assert report.counts["deleted"] == len(before - place.bronze()["movie", 1001]) > 20
        place.rows("UPDATE trakt.titles SET next_sweep_at = now()")
        assert place.ingest(watch_list=watch_list).counts["absent"] < 3


def test_a_document_that_was_planned_in_a_committed_load_is_settled_by_the_next_run(trakt):
    with trakt("calm") as place:
        place.ingest(watch_list=place.watch_list(1, 2))
        # As a kill leaves them, after the load of their plan was committed.
        rows = "resource = 'rating' OR (resource = 'title' AND trakt_id = 1002)"
        place.rows(f"UPDATE trakt.pages SET status = 'planned', page_key = NULL, observed_at = NULL WHERE {rows}")
        report = place.ingest(watch_list=place.watch_list(1, 2))
        assert (report.status, report.counts["ratings"], report.counts["recovered"]) == ("success", 2, 0)
        assert place.rows(
            f"SELECT resource, status, reason, count(*) FROM trakt.pages WHERE {rows} GROUP BY 1, 2, 3 ORDER BY 1, 2"
        ) == [
            ("rating", "good", None, 2),
            ("rating", "skipped", "INTERRUPTED", 2),
            ("title", "skipped", "INTERRUPTED", 1),
        ]


def test_transactions_that_ask_at_once_find_an_ended_process_ended_and_a_live_one_alive(database):
    settings = database.settings()
    ledger = Ledger(settings, "run-1", "alive", date(2026, 11, 30))
    with ledger.alive(), transaction(settings) as first, transaction(settings) as second:
        assert [is_dead(session, "ended") for session in (first, second)] == [True, True]
        assert [is_dead(session, "alive") for session in (first, second)] == [False, False]


def test_a_title_is_gone_after_404_on_three_days_and_keeps_its_rows(trakt):
    with trakt("calm") as place:
        watch_list = place.watch_list(5, 7)
        place.ingest(watch_list=watch_list)
        before = place.bronze()
        titles = place.titles()
        gone = (titles[7]["kind"], titles[7]["trakt"])
        place.site.world.merged[7] = 5
        for day in range(1, 4):
            place.tomorrow()
            place.rows("UPDATE trakt.titles SET next_sweep_at = now()")
            report = place.ingest(watch_list=watch_list)
            state = place.rows(
                "SELECT state, cardinality(not_found_days) FROM trakt.titles WHERE kind = %s AND trakt_id = %s", *gone
            )
            assert state == [("gone" if day == 3 else "tracked", day)]
            assert report.counts["missing"] == (day < 3)
        assert before[gone] <= place.bronze()[gone]
        place.site.world.merged.clear()
        place.rows("UPDATE trakt.titles SET next_sweep_at = now()")
        place.ingest(watch_list=watch_list)
        assert place.rows("SELECT DISTINCT state FROM trakt.titles") == [("tracked",)]


def test_comments_that_move_to_another_title_are_not_taken_for_deleted(trakt):
    with trakt("moves") as place:
        watch_list = place.watch_list(0, 5, 6, 8)
        place.ingest(watch_list=watch_list)
        place.site.world.advance_to(place.site.clock.advance(3_600_000))
        place.rows("UPDATE trakt.titles SET next_sweep_at = now()")
        report = place.ingest(watch_list=watch_list)
        assert report.counts["absent"] > report.counts["deleted"]
        exists = {number for ids in place.truth().values() for number in ids}
        gone = place.rows("SELECT comment_id FROM trakt.pages WHERE resource = 'comment' AND http_status = 404")
        assert not exists.intersection(number for (number,) in gone)


def test_a_sweep_that_starts_again_keeps_the_objects_of_its_first_attempt(trakt, monkeypatch):
    with trakt("calm") as place:
        right, lies = type(place.site)._right, ["249"]

        def wrong(self: Any, request: Any, parts: Any, query: Any, now: int) -> Any:
            answer = right(self, request, parts, query, now)
            if list(parts[:3]) == ["movies", "1001", "comments"] and dict(query).get("page") == "2" and lies:
                headers = [(name, text) for name, text in answer.headers if name.lower() != "x-pagination-limit"]
                return replace(answer, headers=(*headers, ("x-pagination-limit", lies.pop())))
            return answer

        monkeypatch.setattr(type(place.site), "_right", wrong)
        assert place.ingest(watch_list=place.watch_list(0)).status == "success"
        assert place.rows("SELECT reason FROM trakt.sweeps WHERE resource = 'comments' ORDER BY sweep_id") == [
            ("LIMIT_CHANGED",),
            (None,),
        ]
        read, keys = place.rows(
            "SELECT count(*), count(DISTINCT page_key) FROM trakt.pages WHERE resource = 'comments'"
            " AND page_key IS NOT NULL"
        )[0]
        assert read == keys > 3


def test_a_poisoned_page_costs_one_comment_and_no_other_title(trakt):
    with trakt("poisoned") as place:
        report = place.ingest(watch_list=place.watch_list(*FEW))
        assert (report.status, report.exit_code) == ("partial", 0)
        assert [(failure.item, failure.code) for failure in report.failures] == [("movie-1005", "SERVER_ERROR")]
        truth, bronze = place.truth(), place.bronze()
        chosen = [(each["kind"], each["trakt"]) for number, each in enumerate(place.titles()) if number in FEW]
        missed = {key: truth[key] - bronze.get(key, set()) for key in chosen}
        assert {key: len(ids) for key, ids in missed.items() if ids} == {("movie", 1005): 1}
        assert place.rows(
            "SELECT page, page_limit, status, reason FROM trakt.pages WHERE status = 'failed' ORDER BY page_limit DESC"
        )[0] == (1, 250, "failed", "SERVER_ERROR")
        assert place.rows("SELECT reason, complete FROM trakt.sweeps WHERE trakt_id = 1005") == [
            ("SERVER_ERROR", False)
        ]
        assert place.ingest(watch_list=place.watch_list(*FEW), max_failed=0).exit_code == 65


def test_a_dead_key_costs_one_request_and_the_report_names_it_and_the_next_step(trakt, monkeypatch, capsys):
    secrets = {"TRAKT_CLIENT_ID": "c1d2" * 16, "TRAKT_CLIENT_SECRET": "5ec7" * 16}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    (ingest,) = [step for step in STEPS if step.name == "ingest"]
    with trakt("dead-key") as place:
        values = place.values(watch_list=place.watch_list(), report_dir=str(place.folder / "report"), run_id="run-1")
        argv = [f"--{name.replace('_', '-')}={value}" for name, value in values.items() if value is not True]
        assert execute(ingest, [*argv, "--advance-replayer"]) == 78
        assert place.site.journal.requests == 1
        report = json.loads((place.folder / "report" / "report.json").read_text())
        page = (place.folder / "report" / "report.html").read_text()
        assert (report["status"], report["exit_code"]) == ("failed", 78)
        assert [each["code"] for each in report["failures"]] == ["KEY_REFUSED"]
        assert (report["counts"]["requests"], report["counts"]["rows"]) == (1, 0)
        shown = capsys.readouterr()
        for text in (page, shown.out):
            assert "KEY_REFUSED" in text
            assert "telecine trakt ingest --" in text, "the next step"
            assert "https://trakt.tv/oauth/applications" in text, "what to do first"
        texts = (page, json.dumps(report), shown.out, shown.err)
        assert not [name for name, value in secrets.items() for text in texts if value in text]
        row = "SELECT status, exit_code, counts ->> 'requests' FROM pipeline.run_stages WHERE run_id = 'run-1'"
        assert place.rows(row) == [("failed", 78, "1")]


def test_a_site_that_is_down_leaves_no_page_without_its_reason(trakt):
    with trakt("calm") as place:
        place.ingest(watch_list=place.watch_list(*FEW))
        place.rows("UPDATE trakt.titles SET next_sweep_at = now()")
    with trakt("down") as place:
        place.number = 1
        report = place.ingest(watch_list=place.watch_list(*FEW))
        assert (report.status, report.exit_code) == ("failed", 75)
        assert report.failures[0].code == "API_DOWN"
        (step,) = [each.rows[0][0].text for each in report.sections if each.title == "Next step"]
        assert step.startswith("telecine trakt ingest")
        assert place.rows("SELECT count(*) FROM trakt.pages WHERE status = 'planned'") == [(0,)]
        missing = dict(
            place.rows(
                "SELECT reason, count(*) FROM trakt.pages WHERE run_id = 'run-2' AND status <> 'good' GROUP BY 1"
            )
        )
        # The titles' pages were planned, whether or not they were asked for before the run gave up.
        assert missing["API_DOWN"] >= 1
        assert set(missing) <= {"API_DOWN", "OVERLOADED"}
        (table,) = [each for each in report.sections if each.title == "Missing pages"]
        assert sum(row[3] for row in table.rows) == sum(missing.values())
        assert {row[2] for row in table.rows} == set(missing)


def test_a_number_that_is_an_id_and_a_slug_stops_the_run(trakt):
    with trakt("calm") as place:
        with pytest.raises(AmbiguousTitle) as raised:
            place.ingest(titles=("movie:the-hollow-2015", "movie:1001", "show:24"), connections=1)
        assert "Another Show (show 24, slug another-show)" in raised.value.message
        assert "24 (show 460, slug 24)" in raised.value.message
        assert (raised.value.code, raised.value.exit_code) == ("AMBIGUOUS_TITLE", 2)
        assert not any("/comments/" in path for path in place.asked())
        assert place.rows("SELECT count(*) FROM trakt.titles") == [(0,)], "nothing of the watch list is tracked"
        assert place.ingest(titles=("movie:1001", "show:999999999")).counts["titles"] == 1
        report = place.ingest(titles=("show:slug:24", "show:id:24"))
        assert report.counts["titles"] == 2
        assert {"/shows/24/comments/oldest", "/shows/460/comments/oldest"} <= set(place.asked())


def test_a_name_is_resolved_once(trakt):
    with trakt("calm") as place:
        place.ingest(movie_ids=("the-hollow-2015",))
        assert place.asked()["/movies/the-hollow-2015"] == 1
        place.tomorrow()
        place.ingest(movie_ids=("the-hollow-2015",))
        assert place.asked()["/movies/the-hollow-2015"] == 1
        assert place.rows("SELECT names, slug, title, state FROM trakt.titles") == [
            (["movie:the-hollow-2015"], "the-hollow-2015", "The Hollow", "tracked")
        ]


def test_an_unknown_name_does_not_stop_the_others(trakt):
    with trakt("calm") as place:
        report = place.ingest(titles=("movie:the-hollow-2015", "movie:no-such-film"))
        assert (report.status, report.exit_code, report.counts["complete"]) == ("partial", 0, 1)
        assert [(each.item, each.code) for each in report.failures] == [("movie:no-such-film", "TITLE_UNKNOWN")]
        assert report.headline.endswith("; failed: movie:no-such-film (TITLE_UNKNOWN)")


def test_titles_that_left_the_watch_list_are_dropped_and_come_back_due(trakt):
    with trakt("calm") as place:
        place.ingest(watch_list=place.watch_list(1, 2, 3))
        place.ingest(watch_list=place.watch_list(1, 2))
        assert place.rows("SELECT state, count(*) FROM trakt.titles GROUP BY 1 ORDER BY 1") == [
            ("dropped", 1),
            ("tracked", 2),
        ]
        report = place.ingest(watch_list=place.watch_list(1, 2, 3))
        assert report.counts["swept"] == 1


def test_without_a_title_the_flags_are_named(trakt):
    with trakt("calm") as place, pytest.raises(UsageError, match="--watch-list FILE"):
        place.ingest()


def test_replies_are_read_on_demand(trakt):
    with trakt("calm") as place:
        report = place.ingest(watch_list=place.watch_list(1), replies=True)
        assert report.counts["replies"] > 0
        assert place.rows("SELECT count(*) > 0 FROM trakt.pages WHERE resource = 'replies' AND status = 'good'") == [
            (True,)
        ]
        assert (report.status, report.counts["failed"]) == ("success", 0)


def test_replies_that_were_read_are_not_asked_for_again_after_an_error_in_the_middle(trakt, monkeypatch):
    get = TraktClient.get
    with trakt("calm") as place:
        watch_list = place.watch_list(0)
        for ending, answers in (("/comments/oldest", 2), ("/replies", 5), ("/replies", 5)):
            left = iter(range(answers))

            async def away(self: Any, path: str, *values: Any, at: str = ending, left: Any = left, **more: Any) -> Any:
                if path.endswith(at) and next(left, None) is None:
                    raise TransientError("the network is away")
                return await get(self, path, *values, **more)

            with monkeypatch.context() as patch:
                patch.setattr(TraktClient, "get", away)
                assert place.ingest(watch_list=watch_list, replies=True).exit_code == 75
        # A run without replies leaves them to the next one with them.
        assert place.ingest(watch_list=watch_list).status == "success"
        report = place.ingest(watch_list=watch_list, replies=True)
        assert (report.status, report.counts["swept"]) == ("success", 0)
        asked = place.asked()
        replied = [
            each["comment"]["id"]
            for each in place.site.truth().comments()
            if each.get("movie", {}).get("ids", {}).get("trakt") == 1001 and each["comment"]["replies"]
        ]
        assert len(replied) > 15
        assert {path: asked[path] for path in asked if path.endswith("/replies")} == {
            f"/comments/{number}/replies": 1 for number in replied
        }
        pages = place.rows("SELECT pages_expected FROM trakt.sweeps WHERE resource = 'comments' AND complete")
        assert asked["/movies/1001/comments/oldest"] == pages[0][0] + 1, "the border"
        assert place.rows("SELECT count(*) FROM trakt.sweeps WHERE ended_at IS NULL OR NOT complete") == [(0,)]
        assert place.rows("SELECT DISTINCT status FROM trakt.pages WHERE resource = 'replies'") == [("good",)]


def test_a_dry_run_asks_nothing_and_states_the_requests(trakt):
    with trakt("calm") as place:
        watch_list = place.watch_list(*FEW)
        report = place.ingest(watch_list=watch_list, dry_run=True)
        assert (report.counts["unresolved"], report.counts["requests"]) == (5, 5 * 3 + 3)
        assert place.site.journal.requests == 0
        place.ingest(watch_list=watch_list)
        asked = place.site.journal.requests
        place.rows("UPDATE trakt.titles SET next_sweep_at = now(), resolved_at = now() - interval '1 day'")
        report = place.ingest(watch_list=watch_list, dry_run=True)
        # All are swept again: their pages are known, and three are estimated for the feed instead of one.
        assert report.counts["requests"] == asked + 2
        assert place.site.journal.requests == asked


def test_a_backfill_reads_what_no_backfill_has_read_yet(trakt):
    with trakt("calm") as place:
        report = place.backfill(titles=("movie:the-hollow-2015",))
        assert (report.status, report.counts["complete"]) == ("success", 1)
        report = place.backfill(watch_list=place.watch_list(*FEW))
        assert (report.counts["titles"], report.counts["swept"], report.counts["complete"]) == (5, 4, 4)
        # It has set the watermark: the next ingest sweeps nothing.
        assert place.ingest(watch_list=place.watch_list(*FEW)).counts["swept"] == 0


def test_a_backfill_since_a_day_reads_the_newest_comments_only(trakt):
    with trakt("calm") as place:
        report = place.backfill(titles=("movie:the-hollow-2015",), since="2026-03-01")
        truth = [
            each for each in place.site.truth().comments() if each.get("movie", {}).get("ids", {}).get("trakt") == 1001
        ]
        wanted = {each["comment"]["id"] for each in truth if each["comment"]["created_at"] >= "2026-03-01"}
        seen = place.bronze()["movie", 1001]
        assert wanted <= seen
        assert len(seen) < len(truth)
        assert (report.status, report.counts["complete"], report.counts["absent"]) == ("success", 0, 0)


def test_a_bucket_of_one_source_takes_no_comment_of_the_other(trakt):
    with trakt("calm") as place:
        place.ingest(watch_list=place.watch_list(1))
        other = {"source_system": "trakt", "base_url": "https://api.invalid", "client_id": "k"}
        for read in (place.ingest, place.backfill):
            with pytest.raises(
                UsageError, match=r"bucket file:.* has comments of .* replay; .*another --bucket"
            ) as raised:
                # A request would fail in another way.
                read(watch_list=place.watch_list(1), **other, request_quota=500, advance_replayer=False)
            assert (raised.value.code, raised.value.exit_code) == ("SOURCE_MIXED", 2)
        assert place.ingest(watch_list=place.watch_list(1)).exit_code == 0


def test_without_the_salt_of_an_erasure_nothing_is_asked_for(trakt):
    with trakt("calm") as place:
        settings = IngestSettings(**place.values(user_salt="the salt of the erasure"))
        with transaction(settings) as session:
            add_tombstones(session, settings, ["ann"], "erase")
        for salt, message in ((None, "USER_SALT is not set"), ("another salt of 16", "differs from the salt")):
            with pytest.raises(ConfigurationError, match=message) as raised:
                place.ingest(watch_list=place.watch_list(1), user_salt=salt)
            assert raised.value.exit_code == 78
        assert place.asked() == {}
        assert place.ingest(watch_list=place.watch_list(1), user_salt="the salt of the erasure").exit_code == 0
