"""Requests of the client, the reach of a refusal, and untrusted text, which neither breaks it nor is repeated."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import logging
import zlib

import httpx
import pytest

from jobs.trakt.api import wire
from jobs.trakt.api.client import TraktClient
from jobs.trakt.api.wire import MAX_BODY, Pool
from jobs.trakt.errors import ApiDown, EdgeBlocked, KeyRefused, PageFailed, RateLimited
from jobs.trakt.settings.api import ApiSettings
from shared.errors import ConfigurationError, TransientError
from tests.unit.trakt.api.helpers import KEY, FakeClock, RecordingBudget, client_of, run

API = {"x-request-id": "r"}
OK = httpx.Response(200, headers=API, content=b"[]")
HTML = httpx.Response(429, headers={"content-type": "text/html", "cf-ray": "8a-ORD"}, content=b"<html>")
DEAD = httpx.Response(403, headers=API)


class Script:
    """Answers requests one after the other, the last answer for all further ones; exceptions are raised."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def ask(script, path="/movies/1", query=None, *, retries=None, **values):
    async with client_of(script, **values) as client:
        return await client.get(path, query, retries=retries)


def failure(script, **values):
    with pytest.raises(PageFailed) as caught:
        run(ask(script, **values))
    return caught.value


def test_a_request_has_the_headers_of_the_api_and_no_login():
    script = Script(OK)
    run(ask(script, "/movies/1/comments/oldest", {"page": 2, "limit": 250}, user_agent="App/1.0.0"))
    (request,) = script.requests
    assert (request.method, request.url.path, request.url.query) == (
        "GET",
        "/movies/1/comments/oldest",
        b"page=2&limit=250",
    )
    expected = {
        "trakt-api-key": KEY,
        "trakt-api-version": "2",
        "content-type": "application/json",
        "user-agent": "App/1.0.0",
        "cache-control": "no-cache",
        "accept-encoding": "gzip",
    }
    assert {name: request.headers[name] for name in expected} == expected
    assert "authorization" not in request.headers


def test_cookies_are_not_sent_back():
    script = Script(httpx.Response(200, headers={"set-cookie": "__cf_bm=1; Path=/"}, content=b"[]"))

    async def twice():
        async with client_of(script) as client:
            await client.get("/movies/1")
            await client.get("/movies/1")

    run(twice())
    assert ["cookie" in request.headers for request in script.requests] == [False, False]


def test_an_answer_has_its_facts():
    async def work():
        clock = FakeClock()
        script = Script(httpx.Response(500, headers=API), httpx.Response(200, headers={"Date": "x"}, content=b" [1] "))
        async with client_of(script, clock=clock) as client:
            return await client.get("/movies/1"), clock, client.tally

    found, clock, tally = run(work())
    assert (found.status, found.body, found.attempts) == (200, b" [1] ", 2)
    assert found.headers["date"] == "x"
    assert found.elapsed_s == pytest.approx(clock.passed)
    assert found.requested_at == found.observed_at == clock.now()
    assert (tally.requests, tally.retries, tally.bytes, dict(tally.statuses)) == (2, 1, 5, {500: 1, 200: 1})
    assert (dict(tally.failures), tally.waited_s) == ({"SERVER_ERROR": 1}, clock.passed)


@pytest.mark.parametrize(
    "path", ["", "movies", "/a b", "/a?b", "/a#b", "//evil.example", "/a/../b", "/..", "/a/.", "/a\n"]
)
def test_a_path_that_is_not_one_is_never_sent(path):
    script = Script(OK)
    with pytest.raises(ValueError, match="is not a path"):
        run(ask(script, path))
    assert script.requests == []


@pytest.mark.parametrize("place", ["http://169.254.169.254/latest/meta-data", "/other", "https://api.trakt.tv/x"])
def test_a_redirect_is_not_followed(place):
    script = Script(httpx.Response(302, headers={"location": place}))
    assert failure(script).code == "REDIRECTED"
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    "place",
    [
        "http://xn--/",
        "javascript:alert(1)",
        "http://[::1",
        "http://[v1.x]/",
        "http://host:abc/",
        "//\xff\xfe",
        "///",
        "",
    ],
)
def test_a_redirect_to_nonsense_is_a_redirect(place):
    script = Script(httpx.Response(302, headers=[(b"location", place.encode("latin-1"))]))
    assert failure(script).code == "REDIRECTED"
    assert len(script.requests) == 1


@pytest.mark.parametrize("error", [httpx.InvalidURL("no"), UnicodeError("label too long"), ValueError("no")])
def test_an_error_of_a_library_about_bytes_of_the_server_fails_one_request(error):
    assert failure(Script(error)).code == "UNREACHABLE"


@pytest.mark.parametrize(
    ("variable", "value"),
    [("HTTPS_PROXY", "http://someone:sesame@host:port"), ("HTTPS_PROXY", "ftp://someone:sesame@host")],
)
def test_an_invalid_proxy_is_a_configuration_error_that_does_not_show_its_password(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match="proxy") as caught:
        Pool(ApiSettings(client_id=KEY, base_url="https://api.example.org"))
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("url", ["https://xn--", "https://[v1.x]"])
def test_a_base_url_with_an_invalid_host_is_a_configuration_error(url):
    with pytest.raises(ConfigurationError, match="base URL of the Trakt API"):
        client_of(Script(OK), base_url=url)


def test_an_unframed_body_of_too_many_values_is_left_to_the_contract(monkeypatch):
    monkeypatch.setattr(json, "loads", lambda *_, **__: pytest.fail("parsed"))
    body = b"[" + b"0," * 1_000_001 + b"0]"
    answer = httpx.Response(200, headers=API, stream=Parts(body))
    assert len(run(ask(Script(answer))).body) == len(body)


@pytest.mark.parametrize(("retries", "requests"), [(None, 4), (0, 1), (2, 3)])
def test_a_request_is_repeated_as_often_as_the_settings_or_the_caller_say(retries, requests):
    script = Script(httpx.Response(500, headers={**API, "cf-ray": "8a\x1b[31m-ORD"}))
    error = failure(script, retries=retries, max_retries=3)
    assert len(script.requests) == requests == error.data["attempts"]
    assert (error.code, error.data["status"], error.data["path"]) == ("SERVER_ERROR", 500, "/movies/1")
    assert "\x1b" not in error.message
    assert f"{requests} attempt" in error.message


@pytest.mark.parametrize(
    ("cause", "code", "is_over"),
    [
        (httpx.ReadTimeout(""), "TIMEOUT", False),
        (httpx.ConnectTimeout(""), "TIMEOUT", True),
        (httpx.ConnectError("refused"), "UNREACHABLE", True),
        (httpx.RemoteProtocolError("Server disconnected"), "UNREACHABLE", True),
        (httpx.ProxyError("407"), "UNREACHABLE", True),
        (OSError("reset"), "UNREACHABLE", True),
    ],
)
def test_a_missing_answer_is_retried_and_keeps_its_place_in_the_budget_if_it_may_still_arrive(cause, code, is_over):
    budget = RecordingBudget()
    error = failure(Script(cause), budget=budget, max_retries=1)
    assert (error.code, error.data["status"]) == (code, 0)
    assert budget.taken == 2
    assert budget.ended == ([1, 2] if is_over else [])


def test_an_answer_that_never_ends_is_given_up():
    async def drip(_):
        async def body():
            while True:
                yield b"["
                await asyncio.sleep(0.01)

        return httpx.Response(200, content=body())

    budget = RecordingBudget()
    error = failure(drip, total_timeout_s=0.05, max_retries=0, budget=budget)
    assert (error.code, error.data["status"], budget.ended) == ("TIMEOUT", 200, [1])


class Parts(httpx.AsyncByteStream):
    """A body in parts; an exception among them is raised."""

    def __init__(self, *parts):
        self.parts = parts
        self.read = 0

    async def __aiter__(self):
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            self.read += 1
            yield part


def body(*parts, **headers):
    return httpx.Response(
        200, headers={name.replace("_", "-"): each for name, each in headers.items()}, stream=Parts(*parts)
    )


def test_a_compressed_body_is_decompressed():
    packed = gzip.compress(b'[{"id":1}]')
    found = run(ask(lambda _: body(packed[:7], packed[7:], content_encoding="GZIP")))
    assert found.body == b'[{"id":1}]'


@pytest.mark.parametrize(
    ("parts", "headers"),
    [
        ([b"[1,", httpx.ReadError("")], {}),
        ([b"[1,", httpx.RemoteProtocolError("peer closed connection")], {"content_length": "9"}),
        ([b'[{"a":[1]'], {}),
        ([b'{"a":{}'], {}),
        ([b"[1"], {"content_length": "2"}),
        ([b"[1,2}"], {"content_length": "5"}),
        ([b"["], {"content_length": "1"}),
        ([gzip.compress(b"[1]")[:-4]], {"content_encoding": "gzip"}),
        ([b"[1]"], {"content_encoding": "gzip"}),
        ([b"[1]"], {"content_encoding": "br"}),
    ],
)
def test_a_body_that_did_not_arrive_whole_is_retried(parts, headers):
    script = Script(body(*parts, **headers), OK)
    assert run(ask(script)).attempts == 2
    assert failure(lambda _: body(*parts, **headers), max_retries=1).code == "BODY_INCOMPLETE"


@pytest.mark.parametrize("text", [b"[" * 200_000 + b"]" * 200_000, b'["\xff"]', b"[1e999999, 2" + b"0" * 5_000 + b"]"])
def test_a_strange_body_that_is_whole_is_left_to_the_contract(text):
    assert run(ask(lambda _: body(text))).body == text


def test_a_body_that_is_too_large_is_not_read_to_its_end_and_not_retried(monkeypatch):
    monkeypatch.setattr(wire, "MAX_BODY", 1_000)
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = bomb.compress(b"[" + b" " * 50_000_000) + bomb.flush()
    plain, packed = Parts(*[b"[" + b" " * 400] * 9), Parts(packed, b"more")
    for parts, headers in ((plain, {}), (packed, {"content-encoding": "gzip"})):
        answer = httpx.Response(200, headers=headers, stream=parts)
        script = Script(answer)
        assert failure(script).code == "TOO_LARGE"
        assert len(script.requests) == 1
        assert parts.read < len(parts.parts)
    assert MAX_BODY == 64 * 1024 * 1024


def test_of_a_refusal_only_the_beginning_is_read():
    parts = Parts(*[b"x" * 50_000] * 9)
    answer = httpx.Response(500, headers=API, stream=parts)
    assert failure(Script(answer), max_retries=0).code == "SERVER_ERROR"
    assert parts.read == 2


def test_until_the_api_has_answered_one_request_is_in_flight_and_then_as_many_as_configured():
    async def work():
        now, most = 0, []

        async def handler(_):
            nonlocal now
            now += 1
            most.append(now)
            await asyncio.sleep(0.002)
            now -= 1
            return httpx.Response(503) if len(most) < 3 else httpx.Response(404, headers=API)

        async with client_of(handler, connections=3) as client:
            await asyncio.gather(*(client.get("/movies/1") for _ in range(12)))
        return most

    most = run(work())
    assert most[:3] == [1, 1, 1]
    assert max(most) == 3


class StuckClock(FakeClock):
    """A clock whose sleeps never end."""

    async def sleep(self, seconds):
        self.slept.append(seconds)
        await asyncio.Event().wait()


def test_the_end_of_the_run_wakes_those_that_wait():
    async def work():
        async def handler(request):
            if request.url.path == "/movies/1":
                return httpx.Response(500, headers=API)
            await asyncio.sleep(0.01)
            return DEAD

        script = Script(OK)
        async with client_of(
            lambda request: script(request) if not script.requests else handler(request), clock=StuckClock()
        ) as client:
            await client.get("/movies/0")
            return await asyncio.gather(client.get("/movies/1"), client.get("/movies/2"), return_exceptions=True)

    first, second = run(asyncio.wait_for(work(), 10))
    assert isinstance(first, KeyRefused)
    assert first is second


def test_an_answer_that_was_under_way_is_returned_although_the_run_ends():
    async def work():
        refused = asyncio.Event()

        async def handler(request):
            if request.url.path == "/movies/1":
                await refused.wait()
            elif request.url.path == "/movies/2":
                refused.set()
                return DEAD
            return OK

        async with client_of(handler) as client:
            await client.get("/movies/0")
            return await asyncio.gather(client.get("/movies/1"), client.get("/movies/2"), return_exceptions=True)

    first, second = run(work())
    assert (first.status, type(second)) == (200, KeyRefused)


class SlowClock(FakeClock):
    """A clock whose sleeps let others run for a while."""

    async def sleep(self, seconds):
        await asyncio.sleep(0.1)
        await super().sleep(seconds)


def test_during_a_ban_nobody_sends_and_a_slot_that_waited_is_returned():
    async def work():
        clock, budget, sent = SlowClock(), RecordingBudget(), []
        refuse = asyncio.Event()

        async def handler(request):
            sent.append((request.url.path, clock.passed))
            if len(sent) == 2:
                await refuse.wait()
                return HTML
            return OK

        async def take():
            budget.taken += 1
            if budget.taken == 3:
                # The ban begins while this request waits for its slot.
                refuse.set()
                await asyncio.sleep(0.02)
            return budget.taken

        budget.take = take
        async with client_of(handler, clock=clock, budget=budget) as client:
            await client.get("/movies/0")
            await asyncio.gather(*(client.get(f"/movies/{number}") for number in (1, 2)))
        return sent, budget

    sent, budget = run(asyncio.wait_for(work(), 10))
    assert [path for path, _ in sent[:2]] == ["/movies/0", "/movies/1"]
    assert min(at for _, at in sent[2:]) >= 300
    assert budget.returned == [3]
    assert budget.blocked[0][1] is True
    assert budget.closed == 1


def test_refusals_of_the_edge_with_answers_between_do_not_end_the_run():
    script = Script(HTML, HTML, OK, HTML, HTML, OK, HTML, HTML, OK)

    async def work():
        async with client_of(script) as client:
            return [(await client.get("/movies/1")).attempts for _ in range(3)]

    assert run(work()) == [3, 3, 3]


def test_several_requests_under_way_are_one_refusal_of_the_edge():
    async def work():
        together = asyncio.Barrier(4)
        asked = []

        async def handler(request):
            asked.append(request)
            if 2 <= len(asked) <= 5:
                await together.wait()
                return HTML
            return OK

        async with client_of(handler, connections=4) as client:
            await client.get("/movies/0")
            return await asyncio.gather(*(client.get("/movies/1") for _ in range(4)))

    assert [each.attempts for each in run(asyncio.wait_for(work(), 10))] == [2, 2, 2, 2]


def test_a_page_that_only_the_edge_refuses_fails_alone():
    async def work():
        async with client_of(lambda request: HTML if request.url.path == "/movies/1" else OK, connections=1) as client:
            await client.get("/movies/0")
            return await asyncio.gather(
                client.get("/movies/1"), *(client.get("/movies/2") for _ in range(9)), return_exceptions=True
            )

    failed, *others = run(work())
    assert (failed.code, failed.data["attempts"]) == ("EDGE_LIMIT", 3)
    assert {each.status for each in others} == {200}


def test_a_demand_to_wait_for_longer_than_a_run_ends_it():
    script = Script(httpx.Response(429, headers={**API, "retry-after": "3600"}))
    with pytest.raises(RateLimited, match=r"more than 900 s") as caught:
        run(ask(script))
    assert (len(script.requests), caught.value.exit_code, caught.value.code) == (1, 75, "RATE_LIMITED")


def test_failures_with_answers_between_do_not_end_the_run():
    down = httpx.Response(503)

    async def work():
        codes = []
        async with client_of(Script(*[down] * 4, OK, *[down] * 5, OK), max_retries=0) as client:
            for _ in range(11):
                try:
                    await client.get("/movies/1")
                    codes.append("")
                except (PageFailed, ApiDown) as error:
                    codes.append(error.code)
        return codes

    assert run(work()) == [*["OVERLOADED"] * 4, "", *["OVERLOADED"] * 4, "API_DOWN", "API_DOWN"]


def test_poisoned_pages_do_not_end_the_run():
    async def work():
        async with client_of(Script(httpx.Response(500, headers=API)), max_retries=0) as client:
            return await asyncio.gather(*(client.get("/movies/1") for _ in range(9)), return_exceptions=True)

    assert {each.code for each in run(work())} == {"SERVER_ERROR"}


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_the_first_failure_of_a_run_is_logged_once_while_nothing_has_succeeded(caplog):
    failure(Script(httpx.ConnectError("refused")), max_retries=5)
    (warning,) = warnings_of(caplog)
    # 1 + 2 + 4 + 8 + 16 s.
    assert warning == (
        "http://127.0.0.1:1: the connection failed, or closed before the answer (refused); nothing has succeeded yet;"
        " trying again for up to 31 s."
    )


def test_the_announced_waits_are_those_of_an_overload(caplog):
    failure(Script(httpx.Response(503)), max_retries=2)
    assert [warning.rpartition("; ")[2] for warning in warnings_of(caplog)] == ["trying again for up to 90 s."]


@pytest.mark.parametrize("retries", [0, 2])
def test_a_failure_after_a_success_or_without_a_retry_is_not_announced(caplog, retries):
    script = Script(*([OK] if retries else []), httpx.ConnectError("refused"))

    async def work():
        async with client_of(script, max_retries=retries) as client:
            for _ in range(2):
                with contextlib.suppress(PageFailed):
                    await client.get("/movies/1")

    run(work())
    assert warnings_of(caplog) == []


@pytest.mark.parametrize("answer", [DEAD, HTML, httpx.Response(401), httpx.Response(500, headers=API)])
def test_the_key_is_in_no_message_and_no_log(answer, caplog):
    caplog.set_level(logging.DEBUG)
    echo = httpx.Response(
        answer.status_code, headers={**answer.headers, "cf-ray": KEY, "x-account-limit": KEY}, content=answer.content
    )
    with pytest.raises((ConfigurationError, TransientError)) as caught:
        run(ask(Script(echo)))
    error = caught.value
    assert KEY not in f"{error} {error!r} {json.dumps(error.data)} {caplog.text}"


def test_a_database_that_fails_fails_the_request():
    class Broken(RecordingBudget):
        async def take(self):
            raise TransientError("PostgreSQL does not answer")

    script = Script(OK)
    with pytest.raises(TransientError, match="PostgreSQL"):
        run(ask(script, budget=Broken()))
    assert script.requests == []


def test_a_cancelled_run_ends_at_once_and_returns_its_slots():
    async def work():
        budget = RecordingBudget()

        async def read():
            async with client_of(Script(OK, HTML), clock=StuckClock(), budget=budget) as client:
                await client.get("/movies/0")
                await asyncio.gather(*(client.get("/movies/1") for _ in range(8)))

        task = asyncio.create_task(read())
        while not budget.blocked:  # noqa: ASYNC110 - the budget is a recorder
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # Those of a gather end one after the other.
        await asyncio.sleep(0.01)
        return budget.closed, len(asyncio.all_tasks())

    assert run(work()) == (1, 1)


def test_a_proxy_of_the_environment_is_used_but_not_on_this_machine(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://proxy")
    monkeypatch.setenv("HTTP_PROXY", "nonsense://proxy")
    with pytest.raises(ConfigurationError, match=r"expected HTTPS_PROXY=http://host:port"):
        TraktClient(ApiSettings(client_id=KEY), RecordingBudget())
    run(ask(Script(OK)))
    TraktClient(ApiSettings(source_system="replay", base_url="http://localhost:1"), RecordingBudget())


def test_without_a_key_there_is_no_client():
    with pytest.raises(ConfigurationError, match="TRAKT_CLIENT_ID is not set"):
        TraktClient(ApiSettings(), RecordingBudget())


def test_the_edge_block_names_its_ray():
    with pytest.raises(EdgeBlocked, match="cf-ray 8a-ORD") as caught:
        run(ask(Script(HTML)))
    assert caught.value.data == {"status": 429, "cf_ray": "8a-ORD"}
