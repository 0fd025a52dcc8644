"""The policy of retries: whatever an answer says, waits are bounded, demands are kept, and the sender is recognised."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.trakt.api.retry import EDGE_S, LONGEST_S, is_from_api, judge, judge_failure, wait_demanded
from jobs.trakt.errors import PAGE_CODES

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
DATE = "Sat, 28 Nov 2026 12:00:00 GMT"
STOP_CODES = {
    "UNAUTHORIZED",
    "KEY_REFUSED",
    "ACCOUNT_LIMIT",
    "ACCOUNT_LOCKED",
    "VIP_ONLY",
    "RATE_LIMITED",
    "EDGE_BLOCKED",
}


def verdict(status, headers=None, start=b"", *, attempt=1, backoff_s=1.0, draw=0.5):
    return judge(status, headers or {}, start, attempt=attempt, backoff_s=backoff_s, now=NOW, draw=draw)


def limited(until, **headers):
    facts = {"name": "UNAUTHED_API_GET_LIMIT", "period": 300, "limit": 500, "remaining": 0, "until": until}
    return {"x-ratelimit": json.dumps(facts), "date": DATE, **headers}


moments = st.integers(-(10**6), 10**7).map(lambda seconds: NOW + timedelta(seconds=seconds))
waits = st.one_of(
    st.integers(0, 10**12).map(str),
    moments.map(lambda each: format_datetime(each, usegmt=True)),
    st.sampled_from(["soon", "-5", "1e3", "0", "", "٣", "Sat, 99 Nov 2026", "Mon, 01 Jan 0001 00:00:00 -2359"]),
    st.text(max_size=40),
)
ratelimits = st.one_of(
    moments.map(lambda each: json.dumps({"until": each.isoformat()})),
    st.sampled_from(["{}", "[]", "null", '{"until": 5}', '{"until": "9999-12-31T23:59:59-23:59"}', "[" * 5_000]),
    st.text(max_size=40),
)
header_sets = st.fixed_dictionaries(
    {},
    optional={
        "retry-after": waits,
        "x-ratelimit": ratelimits,
        "date": st.one_of(moments.map(lambda each: format_datetime(each, usegmt=True)), st.text(max_size=40)),
        "content-type": st.sampled_from(["text/html", "application/json", "application/problem+json", ""]),
        "x-request-id": st.just("r"),
        "x-runtime": st.just("0.01"),
        "server": st.just("cloudflare"),
    },
)
starts = st.one_of(st.binary(max_size=40), st.sampled_from([b"[", b"{}", b"<!doctype html>", b"\xef\xbb\xbf [", b""]))


@settings(max_examples=300)
@given(
    status=st.one_of(st.integers(-1, 1_000), st.sampled_from([403, 404, 429, 503])),
    headers=header_sets,
    start=starts,
    attempt=st.integers(1, 10_000),
    backoff_s=st.floats(0, 60),
    draw=st.floats(0, 1, exclude_max=True),
)
@example(429, {"retry-after": "900"}, b"{}", 1, 1.0, 0.999)
def test_any_answer_gets_a_verdict_that_waits_neither_too_long_nor_less_than_demanded(  # noqa: PLR0917 - drawn
    status, headers, start, attempt, backoff_s, draw
):
    found = judge(status, headers, start, attempt=attempt, backoff_s=backoff_s, now=NOW, draw=draw)
    assert 0 <= found.wait_s <= LONGEST_S
    demanded = wait_demanded(headers, NOW)
    assert demanded is None or demanded >= 0
    match found.action:
        case "accept":
            assert (found.code, found.wait_s, found.everyone) == ("", 0.0, "")
            assert status == 200 or (status == 404 and is_from_api(headers, start))
        case "retry":
            assert found.code in PAGE_CODES
            if demanded is not None and (status == 429 or status >= 500):
                assert demanded <= found.wait_s
        case "fail":
            assert found.code in PAGE_CODES
        case "stop":
            assert found.code in STOP_CODES
    if found.code in ("EDGE_LIMIT", "EDGE_BLOCKED"):
        assert found.everyone == "ban"
        assert found.wait_s >= EDGE_S
    if found.code == "RATE_LIMITED":
        assert found.everyone == "pause"


@given(st.sampled_from(sorted(PAGE_CODES)), st.integers(1, 10_000), st.floats(0, 60), st.floats(0, 1, exclude_max=True))
def test_a_missing_answer_is_retried_after_a_bounded_wait(code, attempt, backoff_s, draw):
    found = judge_failure(code, attempt=attempt, backoff_s=backoff_s, draw=draw)
    assert found.code == code
    assert found.action == ("fail" if code == "TOO_LARGE" else "retry")
    assert 0 <= found.wait_s <= 60


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 7 "}, 7),
        ({"retry-after": "Sat, 28 Nov 2026 12:00:40 GMT", "date": DATE}, 40),
        ({"retry-after": "Sat, 28 Nov 2026 12:00:40 GMT"}, 40),
        ({"retry-after": "Sat, 28 Nov 2026 11:00:00 GMT", "date": DATE}, 0),
        ({"retry-after": "soon"}, None),
        ({}, None),
        (limited("2026-11-28T12:00:02.500Z", **{"retry-after": "soon"}), 2.5),
        (limited("2026-11-28T12:00:02.500Z"), 2.5),
        (limited("2026-11-28T12:00:02.500Z", **{"retry-after": "9"}), 9),
        (limited("2026-11-28T12:00:02"), 2),
        (limited(None), None),
        ({"x-ratelimit": "{"}, None),
    ],
)
def test_a_wait_is_demanded_in_seconds_by_a_date_or_by_the_rate_limit(headers, seconds):
    assert wait_demanded(headers, NOW) == seconds


def test_the_wait_until_a_date_is_measured_by_the_clock_of_the_server():
    headers = {"retry-after": "Sat, 28 Nov 2026 12:00:40 GMT", "date": DATE}
    for wrong in (-7_200, 90, 86_400):
        assert wait_demanded(headers, NOW + timedelta(seconds=wrong)) == 40


@pytest.mark.parametrize(
    ("headers", "start", "expected"),
    [
        ({"x-request-id": "r", "content-type": "text/html", "server": "cloudflare"}, b"<!DOCTYPE html>", True),
        ({"x-runtime": "0.1"}, b"", True),
        ({"server": "cloudflare"}, b'{"error":"no"}', True),
        ({"server": "cloudflare", "content-type": "text/html"}, b"<html>", False),
        ({"server": "cloudflare"}, b"", False),
        ({"content-type": "application/problem+json"}, b'{"title":"Error 1015"}', False),
        ({"content-type": "application/json"}, b'{"cloudflare_error":true}', False),
    ],
)
def test_the_api_is_distinguished_from_the_edge(headers, start, expected):
    assert is_from_api(headers, start) is expected


API = {"x-request-id": "r"}
HTML = {"content-type": "text/html"}


@pytest.mark.parametrize(
    ("status", "headers", "start", "action", "code"),
    [
        (200, {}, b"[]", "accept", ""),
        (200, {}, b"\xef\xbb\xbf\n {}", "accept", ""),
        (200, API, b"", "retry", "NOT_JSON"),
        (200, API, b"<!DOCTYPE html>", "retry", "NOT_JSON"),
        (204, API, b"", "retry", "NOT_JSON"),
        (301, API, b"", "fail", "REDIRECTED"),
        (304, API, b"", "fail", "REDIRECTED"),
        (400, API, b"", "fail", "REQUEST_REFUSED"),
        (400, HTML, b"<html>", "retry", "EDGE_ANSWER"),
        (401, HTML, b"<html>", "stop", "UNAUTHORIZED"),
        (403, API, b"", "stop", "KEY_REFUSED"),
        (403, {}, b'{"error":"invalid API key"}', "stop", "KEY_REFUSED"),
        (403, {"cf-ray": "1"}, b"", "retry", "EDGE_LIMIT"),
        (403, {**HTML, "retry-after": "3600"}, b"<html>", "stop", "EDGE_BLOCKED"),
        (404, API, b"<html>", "accept", ""),
        (404, HTML, b"<html>", "retry", "EDGE_ANSWER"),
        (405, API, b"", "fail", "REQUEST_REFUSED"),
        (408, {}, b"", "retry", "TIMEOUT"),
        (420, API, b"", "stop", "ACCOUNT_LIMIT"),
        (423, API, b"", "stop", "ACCOUNT_LOCKED"),
        (426, API, b"", "stop", "VIP_ONLY"),
        (429, {}, b"", "retry", "RATE_LIMITED"),
        (429, HTML, b"", "retry", "EDGE_LIMIT"),
        (429, {}, b"  <html>", "retry", "EDGE_LIMIT"),
        (429, {**HTML, **API}, b"", "retry", "RATE_LIMITED"),
        (429, {**HTML, "x-ratelimit": "?"}, b"<html>", "retry", "RATE_LIMITED"),
        (429, {**API, "retry-after": "901"}, b"", "stop", "RATE_LIMITED"),
        (500, API, b"", "retry", "SERVER_ERROR"),
        (500, {**API, "retry-after": "901"}, b"", "fail", "SERVER_ERROR"),
        (503, HTML, b"<html>", "retry", "OVERLOADED"),
        (521, HTML, b"<html>", "retry", "OVERLOADED"),
    ],
)
def test_each_status_has_its_meaning(status, headers, start, action, code):
    found = verdict(status, headers, start)
    assert (found.action, found.code) == (action, code)


def test_the_backoff_doubles_up_to_a_minute_and_half_of_it_is_jitter():
    found = [verdict(500, API, attempt=attempt, draw=0.0).wait_s for attempt in range(1, 10)]
    assert found == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert verdict(500, API, attempt=3, draw=0.999).wait_s == pytest.approx(4, rel=0.01)
    assert verdict(500, API, attempt=5_000, backoff_s=0.0).wait_s == 0


def test_overload_waits_30_times_the_backoff():
    assert [verdict(503, draw=draw).wait_s for draw in (0.0, 0.8)] == [30, 36]
    assert verdict(503, backoff_s=0.01, draw=0.0).wait_s == pytest.approx(0.3)
    assert verdict(500, API, draw=0.0).wait_s < 1
