"""The feed of updates: what it names, and what a gap in it costs."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.postgres_server import database, postgres  # noqa: F401
from tests.trakt_ingest import trakt  # noqa: F401

if TYPE_CHECKING:
    from jobs.trakt.replayer.answer import Answer
    from tests.trakt_ingest import TraktPlace

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

TITLES = (1, 2, 5, 6)


def feed(place: TraktPlace) -> tuple[Any, ...]:
    return place.rows("SELECT gap, reason, watermark FROM trakt.feeds")[0]


def break_feed(place: TraktPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the feed answer 500 from now on."""
    right = type(place.site)._right

    def wrong(self: Any, request: Any, parts: Any, query: Any, now: int) -> Answer:
        answer = right(self, request, parts, query, now)
        if list(parts[:2]) == ["comments", "updates"]:
            return replace(answer, status=500, body=b'{"error":"internal server error"}')
        return answer

    monkeypatch.setattr(type(place.site), "_right", wrong)


def test_a_title_that_the_feed_names_costs_its_ratings_only(trakt):
    with trakt("calm") as place:
        watch_list = place.watch_list(*TITLES)
        place.ingest(watch_list=watch_list)
        watermark = feed(place)[2]
        place.tomorrow()
        place.rows("UPDATE trakt.titles SET next_sweep_at = now() + interval '1 day'")
        before = place.asked()
        report = place.ingest(watch_list=watch_list)
        new = place.asked() - before
        assert report.counts["named"] == report.counts["ratings"] > 1
        assert {path.rpartition("/")[2] for path in new} == {"all", "ratings"}
        assert place.rows("SELECT DISTINCT action FROM trakt.named_titles") == [("stored",)]
        assert feed(place)[:2] == (False, None)
        assert feed(place)[2] > watermark
        truth, bronze = place.truth(), place.bronze()
        for number in TITLES:
            key = (place.titles()[number]["kind"], place.titles()[number]["trakt"])
            assert truth[key] <= bronze[key]
        # Read again a moment later, it names nothing.
        assert place.ingest(watch_list=watch_list).counts["planned"] == 0


def test_a_gap_leaves_the_watermark_and_the_second_one_sweeps_all_titles(trakt, monkeypatch):
    with trakt("calm") as place:
        watch_list = place.watch_list(*TITLES)
        place.ingest(watch_list=watch_list)
        watermark = feed(place)[2]
        place.rows("UPDATE trakt.titles SET next_sweep_at = now() + interval '1 day'")
        with monkeypatch.context() as patch:
            break_feed(place, patch)
            report = place.ingest(watch_list=watch_list)
            assert [(each.item, each.code) for each in report.failures] == [("feed updates", "SERVER_ERROR")]
            assert feed(place) == (True, "SERVER_ERROR", watermark)
            assert report.counts["swept"] == 0
            assert place.ingest(watch_list=watch_list).counts["swept"] == len(TITLES)
        place.ingest(watch_list=watch_list)
        assert feed(place)[0] is False
        assert place.rows("SELECT status, count(*) > 0 FROM trakt.pages WHERE resource = 'feed' AND NOT slice"
                          " AND status = 'failed' GROUP BY 1") == [("failed", True)]  # fmt: skip


def test_a_feed_without_subjects_is_asked_for_again(trakt):
    with trakt("drift") as place:
        watch_list = place.watch_list(*TITLES)
        place.ingest(watch_list=watch_list)
        place.tomorrow()
        report = place.ingest(watch_list=watch_list)
        assert place.site.journal.faults["bare"] > 0
        assert feed(place)[:2] == (False, None)
        assert report.counts["named"] > 0


def test_titles_that_a_killed_run_was_to_rate_are_rated_by_the_next(trakt):
    with trakt("calm") as place:
        watch_list = place.watch_list(*TITLES)
        place.ingest(watch_list=watch_list)
        place.tomorrow()
        place.rows("UPDATE trakt.titles SET next_sweep_at = now() + interval '1 day'")
        report = place.ingest(watch_list=watch_list)
        # As if the run had ended between the feed and the ratings.
        place.rows("UPDATE trakt.pages SET status = 'skipped', reason = 'INTERRUPTED'"
                   " WHERE run_id = 'run-2' AND resource = 'rating'")  # fmt: skip
        again = place.ingest(watch_list=watch_list)
        assert again.counts["named"] == 0
        assert again.counts["ratings"] == report.counts["ratings"]
