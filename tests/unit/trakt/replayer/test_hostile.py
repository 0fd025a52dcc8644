"""Requests that no client should send get an answer of 4xx, and never a traceback, a hang or a wrong body."""

from __future__ import annotations

import json
import logging
import socket
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.trakt.replayer.server import running
from jobs.trakt.replayer.site import Site
from jobs.trakt.replayer.wire import MAX_BODY, MAX_HEAD
from tests.unit.trakt.replayer.client import KEY, Client, ask, raw

KEYED = f"trakt-api-key: {KEY}\r\n".encode()
GET = b"GET /movies/1001 HTTP/1.1\r\n" + KEYED


@pytest.fixture(scope="module")
def replayer():
    with running("calm", 1, quota=0) as found:
        yield found


@pytest.fixture(autouse=True)
def no_tracebacks(caplog):
    yield
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GET /movies/1001 HTTP/1.1 extra\r\n\r\n", 400),
        (b"get /movies/1001 HTTP/1.1\r\n\r\n", 400),
        (b"GET movies/1001 HTTP/1.1\r\n\r\n", 400),
        (b"GET /movies/\xff HTTP/1.1\r\n\r\n", 400),
        (b"GET /movies/1001 HTTP/2.0\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbad name: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\na: \0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 0x10\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"GET / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1), 413),
        (b"GET /" + b"a" * 5_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 3_000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\na: " + b"b" * MAX_HEAD, 431),
        (b"A" * (MAX_HEAD + 1), 431),
    ],
)
def test_a_malformed_request_is_answered_and_ends_the_connection(replayer, data, code):
    found = raw(replayer.port, data)
    assert status(found) == code
    assert b"Connection: close" in found
    assert found.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "target",
    [
        *("/", "//", "/movies", "/movies/", "/movies//comments", "/movies/../../etc/passwd", "/movies/%2e%2e/ratings"),
        *("/movies/%00/ratings", "/movies/1001%0d%0aX:1", "/movies/1001/nope", "/movies/1001/comments/oldest/more"),
        *("/shows/24/seasons/1", "/shows/24/seasons/x/comments", "/shows/24/seasons/99/comments"),
        *("/shows/24/seasons/1/episodes/99/comments/newest", "/comments/0", "/comments/-1", "/comments/abc"),
        *("/comments/" + "9" * 18, "/comments/" + "9" * 400, "/comments/updates/nope", "/comments/updates/all/nope"),
        *("/comments/updates/all/all/more", "/search/trakt/1/2", "/search/nope?query=x", "/_replayer/nope"),
        *("/movies/" + "1" * 5_00, "/movies/%F0%9F%8E%AC", "/movies/1001/seasons/1/comments", "/_replayer"),
    ],
)
def test_an_unknown_path_is_404(target):
    assert ask(Site("calm", 1), target).status == 404


@pytest.mark.parametrize(
    "target",
    [
        *("/_replayer/journal?after=x", "/_replayer/truth?at=yesterday", "/_replayer/truth?at=2026-05-04T00:00:00"),
        *("/_replayer/truth?at=2099-01-01T00:00:00Z", "/_replayer/truth?at=2020-01-01T00:00:00Z"),
        *("/search/movie", "/search/movie?query=", "http://[/", "/comments/recent?include_replies=maybe"),
    ],
)
def test_a_bad_query_is_400(target):
    assert ask(Site("calm", 1), target).status == 400


@pytest.mark.parametrize("seconds", ["-1", "x", "86401", "9" * 12, "1.5"])
def test_the_clock_cannot_be_moved_back_or_by_more_than_a_day(seconds):
    site = Site("calm", 1)
    assert ask(site, f"/_replayer/advance?seconds={seconds}", method="POST").status == 400
    assert ask(site, "/_replayer/advance?seconds=60").status == 405
    assert site.clock.now == Site("calm", 1).clock.now


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_only_get_and_head_are_allowed_and_405_is_html_of_the_api(replayer, method):
    with Client(replayer.port) as client:
        answer = client.get("/movies/1001", method=method)
    assert answer.status == 405
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "x-request-id" in answer.headers


def test_head_has_the_headers_of_get_and_no_body(replayer):
    with Client(replayer.port) as client:
        head, get = client.get("/movies/1001", method="HEAD"), client.get("/movies/1001")
    assert head.body == b""
    assert head.headers["Content-Length"] == get.headers["Content-Length"] == str(len(get.body))


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60), st.integers(0, 3))
def test_no_path_and_no_query_makes_the_site_fail(text, where):
    site = _SITE
    target = (f"/{text}", f"/movies/{text}", f"/comments/updates/all/all?{text}", f"/_replayer/{text}")[where]
    answer = ask(site, target)
    # 401: TMDb wants a token.
    assert answer.status in (200, 400, 404, 405, 401 if target.startswith("/3") else 404)


_SITE = Site("calm", 1, quota=0, step=0)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_get_one_answer_or_none(data):
    assert raw(_PORT[0], data)[:9] in (b"", b"HTTP/1.1 ")


_PORT: list[int] = []


@pytest.fixture(autouse=True)
def _port(replayer):
    _PORT[:] = [replayer.port]


def test_pipelined_requests_are_answered_in_order_and_bodies_are_skipped(replayer):
    wanted = ["/movies/1001", "/shows/24", "/nope", "/shows/460"]
    data = b"".join(b"GET %b HTTP/1.1\r\n%bContent-Length: 5\r\n\r\nGET /" % (each.encode(), KEYED) for each in wanted)
    found = raw(replayer.port, data)
    bodies = [part.partition(b"\r\n\r\n")[2] for part in found.split(b"HTTP/1.1 ")[1:]]
    assert [json.loads(bodies[at])["ids"]["trakt"] for at in (0, 1, 3)] == [1001, 24, 460]
    assert len(bodies) == 4


def test_a_request_in_single_bytes_is_answered(replayer):
    with socket.create_connection(("127.0.0.1", replayer.port), timeout=5) as sock:
        for at in range(len(GET)):
            sock.sendall(GET[at : at + 1])
        sock.sendall(b"\r\n")
        assert sock.recv(12) == b"HTTP/1.1 200"


def test_a_client_that_says_nothing_is_dropped_and_others_are_served():
    with (
        running("calm", 1, quota=0, idle_s=0.5) as site,
        socket.create_connection(("127.0.0.1", site.port), timeout=30) as silent,
    ):
        silent.sendall(GET)
        with Client(site.port) as client:
            assert client.get("/movies/1001").status == 200
        began = time.monotonic()
        with suppress(ConnectionResetError):
            assert silent.recv(1) == b""
        assert time.monotonic() - began < 25


def test_a_client_that_never_reads_does_not_fill_the_memory(replayer):
    request = b"GET /comments/recent/all/all?limit=250 HTTP/1.1\r\n" + KEYED + b"\r\n"
    with socket.create_connection(("127.0.0.1", replayer.port), timeout=5) as sock:
        before = replayer.site.journal.requests
        sock.sendall(request * 400)
        time.sleep(0.3)
        answered = replayer.site.journal.requests - before
        # 400 pages are 80 MB: the site stops after its buffer of 1 MB and those of the kernel.
        assert answered < 200


def test_http_1_0_and_connection_close_end_the_connection(replayer):
    for data in (GET.replace(b"1.1", b"1.0") + b"\r\n", GET + b"Connection: close\r\n\r\n"):
        found = raw(replayer.port, data * 2)
        assert found.count(b"HTTP/1.1 200") == 1


def test_it_listens_on_this_machine_only(replayer):
    with socket.socket() as other:
        other.settimeout(1)
        # An address of this machine that 127.0.0.1 does not include.
        with pytest.raises(OSError, match="refused"):
            other.connect(("127.0.0.2", replayer.port))


def test_the_truth_is_streamed_whole_and_does_not_disturb_the_site(replayer):
    with Client(replayer.port) as client:
        before = replayer.site.clock.now
        found = [json.loads(line) for line in client.get("/_replayer/truth/comments").body.splitlines()]
        summary = json.loads(client.get("/_replayer/truth").body)
        assert found == list(replayer.site.truth().comments())
        assert summary["comments"] == len(found)
        assert replayer.site.clock.now == before


def test_the_journal_has_every_request_without_the_key(replayer):
    with Client(replayer.port) as client:
        number = replayer.site.journal.requests
        client.get("/movies/1001?x=1")
        client.get("/nope")
        body = client.get(f"/_replayer/journal?after={number}").body
    entries = json.loads(body)
    assert [(each["target"], each["status"]) for each in entries] == [("/movies/1001?x=1", 200), ("/nope", 404)]
    assert KEY.encode() not in body
