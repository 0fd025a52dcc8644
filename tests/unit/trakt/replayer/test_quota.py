"""The quota never lets more than its limit into any window."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.trakt.replayer.clock import START
from jobs.trakt.replayer.quota import WINDOW, Quota
from jobs.trakt.replayer.site import Site
from tests.unit.trakt.replayer.client import ask, header


@settings(max_examples=200)
@given(st.lists(st.integers(0, 200_000), max_size=200), st.integers(1, 8))
def test_no_window_has_more_than_the_limit(gaps, limit):
    quota, now, admitted = Quota(limit), START, []
    for gap in gaps:
        now += gap
        wait = quota.admit("key", now)
        if not wait:
            admitted.append(now)
        else:
            # It would have been admitted then, not a millisecond earlier.
            inside = [each for each in admitted if now + wait - 1 - each <= WINDOW]
            assert len(inside) == limit
            assert len([each for each in admitted if now + wait - each <= WINDOW]) < limit
    for each in admitted:
        assert len([other for other in admitted if each <= other <= each + WINDOW]) <= limit


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=20), st.integers(0, 1_000))
def test_the_site_never_answers_501_gets_in_300_s(sleeps, step):
    site = Site("calm", 1, step=step)
    for at in range(1_300):
        if at % 60 == 0:
            site.clock.advance(1_000 * sleeps[at // 60 % len(sleeps)])
        ask(site, "/movies/1001/ratings", fresh=False)
    assert site.journal.busiest(WINDOW) <= 500
    times = [entry.at for entry in site.journal if entry.status != 429]
    assert all(last - first > WINDOW for first, last in zip(times, times[500:], strict=False))


def test_the_501st_is_429_with_the_wait_and_the_facts():
    site = Site("calm", 1, step=100)
    statuses = [ask(site, "/movies/1001/ratings").status for _ in range(501)]
    assert statuses == [200] * 500 + [429]
    refused = ask(site, "/movies/1001/ratings")
    wait = int(header(refused, "Retry-After"))
    facts = json.loads(header(refused, "X-Ratelimit"))
    assert facts | {"until": ""} == {
        "name": "UNAUTHED_API_GET_LIMIT",
        "period": 300,
        "limit": 500,
        "remaining": 0,
        "until": "",
    }
    # One millisecond before the first of the 500 has left the window; then, after it has.
    site.clock.advance(wait * 1_000 - 1_000 - 100)
    assert ask(site, "/movies/1001/ratings").status == 429
    site.clock.advance(2_000)
    assert ask(site, "/movies/1001/ratings").status == 200
    assert [entry.early for entry in site.journal][-3:] == [True, True, False]


def test_each_key_has_its_own_quota_and_0_lifts_it():
    site = Site("calm", 1, quota=2)
    assert [ask(site, "/movies/1001", key=key).status for key in "aaabbb"] == [200, 200, 429] * 2
    site = Site("calm", 1, quota=0)
    assert {ask(site, "/movies/1001").status for _ in range(600)} == {200}


@pytest.mark.parametrize("key", ["", "ключ", "a b", "x" * 129])
def test_without_a_key_the_api_answers_403_and_counts_nothing(key):
    site = Site("calm", 1)
    answer = ask(site, "/movies/1001", key=key)
    assert answer.status == 403
    assert header(answer, "x-request-id")
    assert [entry.admitted for entry in site.journal] == [False]


def test_both_ends_of_a_window_are_inside_it():
    quota = Quota(1)
    assert quota.admit("key", START) == 0
    assert quota.admit("key", START + WINDOW) == 1
    assert quota.admit("key", START + WINDOW + 1) == 0


def test_the_busiest_window_of_the_journal_is_counted_per_key():
    site = Site("calm", 1, step=0)
    for key, sleeps in (("a", (0, 100, 200, 1)), ("b", (0, 0))):
        for seconds in sleeps:
            site.clock.advance(seconds * 1_000)
            ask(site, "/movies/1001", key=key)
    # For key a, 0 s, 100 s and 300 s are in one window, as are 100 s, 300 s and 301 s, but never all four.
    assert site.journal.busiest(WINDOW) == 3
