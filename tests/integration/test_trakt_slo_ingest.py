"""Service levels of real ingests against the replayer: what was read is fresh, and what was not says why."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from jobs.trakt.settings import SloSettings
from jobs.trakt.steps import slo as step
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import database, postgres  # noqa: F401
from tests.trakt_ingest import trakt  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path

    from shared.report import Report
    from tests.trakt_ingest import TraktPlace

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

# These tests run at any time of the day: after 09:00 everything is late, and fresh all the same.
LATE = {"FEED_LATE", "READ_LATE", "SWEEP_LATE"}


def measured(place: TraktPlace) -> Report:
    place.rows("UPDATE trakt.titles SET tracked_since = tracked_since - interval '1 day'")
    return step.run(SloSettings(database_url=place.database.url), MemoryStageRun(run_id="run-slo", pipeline="trakt"))


def title_days(place: TraktPlace) -> list[Any]:
    return place.rows(
        "SELECT title_id_trakt, reason, fresh_at IS NOT NULL, pages_planned, pages_landed, was_named"
        " FROM gold.trakt_slo_titles WHERE day = (SELECT max(day) FROM gold.trakt_slo_titles) ORDER BY 1"
    )


def test_what_an_ingest_has_read_is_fresh(trakt: Any) -> None:
    with trakt("calm") as place:
        world = place.site.world
        hidden = next(filter(world.visible, world.slice(world.title_thread(1), 0, 50)))
        world.delete(hidden)
        place.ingest(watch_list=place.watch_list(0, 1, 2))
        report = measured(place)
        found = title_days(place)
        assert len(found) == 3
        for _, reason, fresh, planned, landed, _ in found:
            assert fresh
            assert reason is None or reason in LATE
            assert planned == landed > 0
        assert report.counts["pages_planned"] == report.counts["pages_landed"]
        assert report.counts["requests"] >= report.counts["pages_landed"]
        assert report.counts["items_read"] > 0
        assert report.counts["throttled"] == 0
        assert report.counts["late_arrivals"] == 0, "the first read of a title finds all its old comments"
        assert place.rows("SELECT count(*) FROM trakt.pages WHERE ended_at IS NULL") == [(0,)]
        assert place.rows("SELECT bool_and(ended_at >= planned_at) FROM trakt.pages") == [(True,)]

        world.restore(hidden)
        world.version += 1
        place.rows("UPDATE trakt.titles SET next_sweep_at = now()")
        place.ingest(watch_list=place.watch_list(0, 1, 2))
        assert measured(place).counts["late_arrivals"] == 1
        assert place.rows("SELECT late_arrivals FROM gold.trakt_slo_days ORDER BY day DESC LIMIT 1") == [(1,)]


def test_a_title_with_a_page_that_always_fails_is_not_fresh(trakt: Any) -> None:
    with trakt("poisoned") as place:
        place.ingest(watch_list=place.watch_list())
        report = measured(place)
        partial = {
            row[0]
            for row in place.rows("SELECT trakt_id FROM trakt.sweeps WHERE resource = 'comments' AND NOT complete")
        }
        assert partial, "the scenario makes some page fail"
        for number, reason, fresh, *_ in title_days(place):
            assert fresh is (number not in partial)
            assert reason != "NEVER_SWEPT" or number in partial
        assert report.counts["titles"] > len(partial)


def test_titles_that_no_sweep_has_read_are_missing_after_a_week(trakt: Any) -> None:
    with trakt("calm") as place:
        watch_list = place.watch_list(0, 1)
        place.ingest(watch_list=watch_list)
        place.rows(
            "UPDATE trakt.sweeps SET started_at = started_at - interval '9 days',"
            " ended_at = ended_at - interval '9 days'"
        )
        place.rows("UPDATE trakt.pages SET planned_at = planned_at - interval '9 days', day = day - 9")
        measured(place)
        assert {row[1] for row in title_days(place)} == {"FEED_MISSING"}


def test_429_answers_are_those_of_the_ingest(trakt: Any) -> None:
    with trakt("storm", seed=3) as place:
        report = place.ingest(watch_list=place.watch_list())
        assert report.counts["rate_limited"] > 0, "the storm has some"
        assert measured(place).counts["throttled"] == report.counts["rate_limited"]


def test_lineage_of_an_ingest_leads_from_the_api_to_bronze(trakt: Any, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    with trakt("calm") as place:
        report = place.ingest(watch_list=place.watch_list(0), lineage=str(events))
    start, complete = [json.loads(line) for line in events.read_text().splitlines()]
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert [each["name"] for each in complete["inputs"]] == ["trakt.api"]
    (written,) = complete["outputs"]
    assert written["name"] == "bronze.trakt"
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == report.counts["rows"]
    assert {"name": "payload", "type": "string"} in written["facets"]["schema"]["fields"]
    assert place.served.url not in events.read_text()
