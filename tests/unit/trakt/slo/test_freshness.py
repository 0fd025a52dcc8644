"""A title-day: when it became fresh, and why not in time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.trakt.slo.freshness import Feed, History, Naming, Sweep, freshness, minutes_late
from shared.slo.days import Day
from shared.slo.meanings import REASONS
from tests.trakt_ledger import at

DAY = Day(date(2026, 5, 20))
LATER = DAY.end


def when(clock: str, days: int = 0) -> datetime:
    return at((DAY + days).date, clock)


def feed(clock: str = "05:00", *, days: int = 0, minutes: float = 5, complete: bool = True) -> Feed:
    began = when(clock, days)
    return Feed(began, began + timedelta(minutes=minutes), complete)


def sweep(clock: str = "05:30", *, days: int = -1, full: bool = True) -> Sweep:
    return Sweep(when(clock, days) - timedelta(minutes=5), when(clock, days), full)


def rating(clock: str, days: int = 0) -> tuple[datetime, datetime]:
    return when(clock, days), when(clock, days) + timedelta(seconds=1)


SWEPT = History(sweeps=[sweep()])


def reason(feeds: list[Feed], history: History, now: datetime = LATER) -> str | None:
    return freshness(DAY, feeds, history, now).reason


def test_a_title_that_the_feed_did_not_name_is_fresh_with_the_feed():
    found = freshness(DAY, [feed()], SWEPT, LATER)
    assert (found.reason, found.fresh_at, found.was_named) == (None, when("05:05"), False)


@pytest.mark.parametrize(
    ("feeds", "code"),
    [
        pytest.param([], "FEED_MISSING", id="none"),
        pytest.param([feed(complete=False)], "FEED_GAP", id="with a gap"),
        pytest.param([feed("08:59")], "FEED_LATE", id="ended after nine"),
        pytest.param([feed("10:00")], "FEED_LATE", id="began after nine"),
        pytest.param([feed("10:00", complete=False)], "FEED_MISSING", id="with a gap, after nine"),
        pytest.param([Feed(when("05:00"), None, False)], "FEED_GAP", id="killed"),
        pytest.param([feed(complete=False), feed("07:00")], None, id="with a gap, then without"),
        pytest.param([feed(minutes=240)], None, id="ended at nine"),
    ],
)
def test_the_feed_is_read_without_a_gap_by_nine(feeds, code):
    assert reason(feeds, SWEPT) == code


def test_a_title_that_was_named_needs_its_ratings():
    named = feed()
    history = History(namings=[Naming(named, stored=True)], sweeps=[sweep()])
    assert reason([named], history) == "RATING_MISSING"
    history.ratings = [rating("04:59")]
    assert reason([named], history) == "RATING_MISSING", "they were read before the feed"
    history.ratings = [rating("04:59"), rating("05:01")]
    assert freshness(DAY, [named], history, LATER)[:4] == (None, when("05:05"), when("05:05"), when("05:05"))
    history.ratings = [rating("09:30")]
    late = freshness(DAY, [named], history, LATER)
    assert late.reason == "READ_LATE"
    assert minutes_late(DAY, late.fresh_at) == pytest.approx(30 + 1 / 60)


def test_comments_that_the_feed_did_not_deliver_need_a_sweep_after_it():
    named = feed()
    history = History(namings=[Naming(named, stored=False)], sweeps=[sweep()], ratings=[rating("05:10")])
    assert reason([named], history) == "NOT_READ"
    # A partial sweep, such as one since a date, reads new comments but does not replace the weekly sweep.
    history.sweeps = [sweep(), sweep("05:40", days=0, full=False)]
    assert freshness(DAY, [named], history, LATER)[:2] == (None, when("05:40"))
    history.sweeps = [sweep("05:40", days=0, full=False)]
    assert reason([named], history) == "NEVER_SWEPT"


def test_a_title_named_yesterday_and_not_read_is_not_fresh_today():
    old, new = feed(days=-1), feed()
    history = History(namings=[Naming(old, stored=False)], sweeps=[sweep(days=-3)], ratings=[rating("05:30", -1)])
    assert reason([new], history) == "NOT_READ"
    history.sweeps.append(sweep("06:00", days=0))
    assert reason([new], history) is None


def test_a_second_read_of_the_feed_does_not_take_freshness_away():
    first, second = feed(), feed("08:50")
    history = History(namings=[Naming(second, stored=False)], sweeps=[sweep()])
    assert freshness(DAY, [first, second], history, LATER)[:2] == (None, when("05:05"))


@pytest.mark.parametrize(
    ("swept", "code"),
    [
        pytest.param(sweep("09:00", days=-7), None, id="exactly 7 days"),
        pytest.param(sweep("08:59", days=-7), "SWEEP_OLD", id="a minute more"),
        pytest.param(sweep("09:00", days=0), None, id="at nine"),
        pytest.param(sweep("09:01", days=0), "SWEEP_LATE", id="after nine"),
    ],
)
def test_the_last_complete_sweep_is_at_most_7_days_old(swept, code):
    assert reason([feed()], History(sweeps=[swept])) == code


def test_a_title_without_a_sweep_says_whether_it_ever_had_one():
    assert reason([feed()], History()) == "NEVER_SWEPT"
    assert reason([feed()], History(was_swept=True)) == "SWEEP_OLD"


def test_nothing_is_known_before_it_happened():
    assert reason([feed()], SWEPT, now=when("05:04")) == "FEED_GAP"
    assert reason([feed()], SWEPT, now=when("05:05")) is None
    late = freshness(DAY, [feed("10:00")], SWEPT, when("09:30"))
    assert (late.reason, late.fresh_at) == ("FEED_MISSING", None)


def test_a_title_that_becomes_fresh_tomorrow_has_no_minutes():
    found = freshness(DAY, [feed()], History(sweeps=[sweep("00:10", days=1)]), LATER + timedelta(days=1))
    assert (found.reason, found.fresh_at) == ("NEVER_SWEPT", None)
    assert minutes_late(DAY, None) is None
    assert minutes_late(DAY, DAY.deadline) is None


_minutes = st.integers(0, 24 * 60 - 1)


@given(
    feeds=st.lists(st.tuples(_minutes, st.integers(1, 120), st.booleans()), max_size=4),
    sweeps=st.lists(st.tuples(st.integers(-9, 0), _minutes, st.booleans()), max_size=5),
    namings=st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=3),
    ratings=st.lists(_minutes, max_size=3),
)
def test_more_reads_never_make_a_title_less_fresh(feeds, sweeps, namings, ratings):
    read = sorted(
        Feed(DAY.start + timedelta(minutes=begin), DAY.start + timedelta(minutes=begin + length), complete)
        for begin, length, complete in feeds
    )
    named = sorted({Naming(read[index], stored) for index, stored in namings if index < len(read)})
    history = History(
        namings=named,
        sweeps=sorted(
            (
                Sweep(ended - timedelta(minutes=3), ended, full)
                for days, minute, full in sweeps
                for ended in [(DAY + days).start + timedelta(minutes=minute)]
            ),
            key=lambda each: each.ended_at,
        ),
        ratings=sorted((DAY.start + timedelta(minutes=m), DAY.start + timedelta(minutes=m + 1)) for m in ratings),
    )
    found = freshness(DAY, read, history, LATER)
    assert (found.reason is None) == (found.fresh_at is not None and found.fresh_at <= DAY.deadline)
    assert found.reason is None or found.reason in REASONS
    more = History(history.namings, [*history.sweeps, sweep("23:00", days=0)], [*history.ratings, rating("23:00")])
    again = freshness(DAY, read, more, LATER)
    assert found.fresh_at is None or (again.fresh_at is not None and again.fresh_at <= found.fresh_at)


def test_a_read_in_utc_equals_the_same_one_in_chicago():
    assert when("09:00") == datetime(2026, 5, 20, 14, tzinfo=UTC)
