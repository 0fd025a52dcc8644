"""Days of America/Chicago: their deadline in UTC, also on the days when the clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from shared.slo.days import Day, day_of

SPRING, AUTUMN = Day(date(2026, 3, 8)), Day(date(2026, 11, 1))


@pytest.mark.parametrize(
    ("day", "hour"),
    [
        pytest.param(Day(date(2026, 1, 15)), 15, id="winter"),
        pytest.param(Day(date(2026, 7, 15)), 14, id="summer"),
        pytest.param(SPRING - 1, 15, id="the day before the clock is put forward"),
        pytest.param(SPRING, 14, id="the day when the clock is put forward"),
        pytest.param(AUTUMN - 1, 14, id="the day before the clock is put back"),
        pytest.param(AUTUMN, 15, id="the day when the clock is put back"),
    ],
)
def test_the_deadline_is_nine_in_local_time(day, hour):
    assert day.deadline == datetime(day.date.year, day.date.month, day.date.day, hour, tzinfo=UTC)


def test_the_days_when_the_clock_changes_have_23_and_25_hours():
    assert SPRING.end - SPRING.start == timedelta(hours=23)
    assert AUTUMN.end - AUTUMN.start == timedelta(hours=25)
    assert (SPRING + 1).end - (SPRING + 1).start == timedelta(hours=24)


@pytest.mark.parametrize(("day", "hours"), [(SPRING, 167), (AUTUMN, 169), (SPRING - 10, 168)])
def test_seven_days_are_local_days_whatever_their_hours(day, hours):
    assert day.deadline - day.oldest_sweep == timedelta(hours=hours)


def test_a_time_belongs_to_the_day_in_chicago():
    assert day_of(datetime(2026, 3, 8, 5, 59, tzinfo=UTC)) == SPRING - 1
    assert day_of(datetime(2026, 3, 8, 6, 0, tzinfo=UTC)) == SPRING
    # The clock shows this hour twice.
    assert (
        day_of(datetime(2026, 11, 1, 6, 30, tzinfo=UTC)) == day_of(datetime(2026, 11, 1, 7, 30, tzinfo=UTC)) == AUTUMN
    )
    assert day_of(SPRING.end) == SPRING + 1
