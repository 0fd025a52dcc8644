"""Requests to TMDb: what is sent, what is retried, what ends all requests, and that the token is never shown."""

from __future__ import annotations

import asyncio
import json
import logging

import httpx
import pytest
from pydantic import ValidationError

from jobs.trakt.errors import TMDB_CODES, MetadataFailed
from jobs.trakt.settings import TmdbSettings
from jobs.trakt.tmdb.client import IN_FLIGHT, LONGEST_WAIT_S, TmdbClient
from shared.errors import UsageError
from shared.settings.command import parse
from tests.unit.trakt.api.helpers import KEY, FakeClock, Transport, run

TOKEN = "eyJhbGciOiJIUzI1NiJ9.a-token-of-the-tests"
FILM = {"id": 550, "popularity": 12.5}
OK = httpx.Response(200, content=json.dumps(FILM).encode())
MISSING = httpx.Response(404, content=b'{"success":false,"status_code":34,"status_message":"not found"}')
WRONG = httpx.Response(401, content=b'{"success":false,"status_code":7,"status_message":"Invalid API key"}')
HTML = httpx.Response(200, content=b"<html>Just a moment...</html>")
BAD_GATEWAY = httpx.Response(502, content=b"<html>")


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


def client_of(script, *, clock=None, **values):
    settings = TmdbSettings(**{"client_id": KEY, "tmdb_token": TOKEN, **values})
    return TmdbClient(settings, clock=clock or FakeClock(), transport=Transport(script))


def ask(script, *numbers, clock=None, **values):
    """Ask for films one after the other; return their answers, or the codes of their failures."""

    async def all_of_them():
        found = []
        async with client_of(script, clock=clock, **values) as client:
            for number in numbers or (550,):
                try:
                    found.append(await client.get("movie", number))
                except MetadataFailed as error:
                    found.append(error)
        assert TOKEN not in str([(repr(each), vars(each)) for each in found if isinstance(each, MetadataFailed)])
        return [each.code if isinstance(each, MetadataFailed) else each for each in found]

    return run(all_of_them())


def test_a_request_has_the_token_in_a_header_and_nothing_of_trakt():
    script = Script(OK)
    (answer,) = ask(script, user_agent="App/1.0.0")
    (request,) = script.requests
    assert str(request.url) == "https://api.themoviedb.org/3/movie/550"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["user-agent"] == "App/1.0.0"
    assert not {"trakt-api-key", "trakt-api-version", "cookie"} & set(request.headers)
    assert (answer.status, json.loads(answer.body), answer.attempts) == (200, FILM, 1)


def test_a_show_is_a_tv_series():
    async def both():
        script = Script(OK)
        async with client_of(script) as client:
            await client.get("show", 1396)
            return script.requests[0].url.path, client.target("show", 1396)

    assert run(both()) == ("/3/tv/1396", "/3/tv/1396")


def test_a_404_of_tmdb_is_an_answer_and_one_of_an_edge_is_retried():
    assert ask(Script(MISSING))[0].status == 404
    script = Script(httpx.Response(404, content=b"<html>"), MISSING)
    (answer,) = ask(script)
    assert (answer.status, answer.attempts) == (404, 2)


@pytest.mark.parametrize(
    "failure",
    [
        HTML,
        BAD_GATEWAY,
        httpx.Response(200, content=b""),
        httpx.Response(200, content=b'{"id": 550, "pop'),
        httpx.Response(500, content=b'{"success":false,"status_code":11}'),
        httpx.Response(200, headers={"content-encoding": "gzip"}, content=b""),
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("away"),
        httpx.RemoteProtocolError("cut"),
    ],
)
def test_an_answer_that_is_not_whole_is_retried_and_then_a_failure_of_that_title_only(failure):
    script = Script(failure, failure, OK)
    assert ask(script)[0].attempts == 3
    script = Script(*[failure] * 4, OK)
    assert ask(script, 1, 2)[0] == "TMDB_UNAVAILABLE"
    assert len(script.requests) == 5
    assert ask(Script(failure, OK), max_retries=0) == ["TMDB_UNAVAILABLE"]


@pytest.mark.parametrize(("status", "code"), [(401, "TMDB_UNAUTHORIZED"), (403, "TMDB_REFUSED")])
def test_after_a_refusal_no_further_request_is_sent(status, code, caplog):
    script = Script(httpx.Response(status, content=WRONG.content))

    async def many():
        async with client_of(script) as client:
            asked = [client.get("movie", number) for number in range(1, 9)]
            return await asyncio.gather(*asked, return_exceptions=True)

    with caplog.at_level(logging.DEBUG):
        found = run(many())
    assert [error.code for error in found] == [code] * 8
    assert len(script.requests) == 1
    # Once, with what to do; never with the token.
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
        f"No more requests to TMDb in this run: {TMDB_CODES[code]} ({code})."
    ]
    assert TOKEN not in caplog.text


def test_another_refusal_fails_its_title_without_a_retry():
    script = Script(httpx.Response(400, content=b"{}"), OK)
    assert ask(script, 1, 2)[0] == "TMDB_REFUSED"
    assert len(script.requests) == 2


def test_a_429_is_waited_for_as_it_demands():
    clock = FakeClock()
    (answer,) = ask(Script(httpx.Response(429, headers={"retry-after": "7"}, content=b"{}"), OK), clock=clock)
    assert (answer.attempts, sum(clock.slept)) == (2, 7)


def test_a_wait_that_is_too_long_ends_all_requests():
    clock = FakeClock()
    limited = httpx.Response(429, headers={"retry-after": str(int(LONGEST_WAIT_S) + 1)}, content=b"{}")
    script = Script(limited)
    assert ask(script, 1, 2, 3, clock=clock) == ["TMDB_RATE_LIMITED"] * 3
    assert (len(script.requests), clock.slept) == (1, [])


def test_a_site_that_is_down_is_given_up_after_three_titles():
    script = Script(BAD_GATEWAY)
    assert ask(script, *range(1, 20)) == ["TMDB_UNAVAILABLE"] * 19
    assert len(script.requests) == 3 * 4


def test_failures_with_successes_in_between_end_nothing():
    script = Script(*[BAD_GATEWAY, BAD_GATEWAY, OK] * 3)
    assert [getattr(found, "status", found) for found in ask(script, *range(9), max_retries=0)] == [
        *("TMDB_UNAVAILABLE", "TMDB_UNAVAILABLE", 200) * 3
    ]


def test_only_a_few_requests_are_in_flight():
    most = in_flight = 0

    async def slow(_):
        nonlocal most, in_flight
        in_flight += 1
        most = max(most, in_flight)
        await asyncio.sleep(0.001)
        in_flight -= 1
        return OK

    async def many():
        async with client_of(slow) as client:
            await asyncio.gather(*(client.get("movie", number) for number in range(1, 30)))

    run(many())
    assert most == IN_FLIGHT


def test_the_token_is_shown_nowhere():
    settings = TmdbSettings(tmdb_token=TOKEN)
    assert TOKEN not in f"{settings!r} {settings.parameters()}"
    assert "tmdb_token" not in settings.parameters()
    client = client_of(Script(OK))
    assert TOKEN not in f"{client!r} {vars(client)!r}"
    run(client.close())
    with pytest.raises(ValidationError) as caught:
        TmdbSettings(tmdb_token=f"{TOKEN} with spaces")
    assert TOKEN not in str(caught.value)


def test_the_token_is_read_from_either_variable_or_a_file(monkeypatch, tmp_path):
    monkeypatch.setenv("TMDB_READ_ACCESS_TOKEN", "plain")
    assert TmdbSettings().tmdb_token.get_secret_value() == "plain"
    monkeypatch.setenv("TELECINE_TRAKT_TMDB_TOKEN", "own")
    assert TmdbSettings().tmdb_token.get_secret_value() == "own"
    monkeypatch.delenv("TELECINE_TRAKT_TMDB_TOKEN")
    (tmp_path / "token").write_text("of a file\n".replace(" ", "-"))
    monkeypatch.delenv("TMDB_READ_ACCESS_TOKEN")
    monkeypatch.setenv("TELECINE_TRAKT_TMDB_TOKEN_FILE", str(tmp_path / "token"))
    assert TmdbSettings().tmdb_token.get_secret_value() == "of-a-file"
    monkeypatch.delenv("TELECINE_TRAKT_TMDB_TOKEN_FILE")
    monkeypatch.setenv("TMDB_READ_ACCESS_TOKEN", "")
    assert TmdbSettings().tmdb_token is None


@pytest.mark.parametrize(
    "url",
    [
        "http://api.themoviedb.org/3",
        "http://example.org/3",
        "https://user@api.themoviedb.org/3",
        "https://api.themoviedb.org/3?api_key=1",
        "https://[::1",
        "ftp://127.0.0.1/3",
        "",
    ],
)
def test_the_token_is_sent_by_https_only(url):
    with pytest.raises(UsageError, match="expected"):
        parse(TmdbSettings, "telecine trakt ingest", "Ingest.", ["--tmdb-base-url", url])


def test_a_replayer_is_asked_for_metadata_too_unless_the_url_says_otherwise():
    assert TmdbSettings().tmdb_site == "https://api.themoviedb.org/3"
    found = TmdbSettings(source_system="replay", base_url="http://replayer:8790/")
    assert (found.tmdb_site, found.is_tmdb_replayed, found.is_tmdb_local) == ("http://replayer:8790/3", True, False)
    found = TmdbSettings(tmdb_base_url="http://127.0.0.1:1/3/")
    assert (found.tmdb_site, found.is_tmdb_replayed, found.is_tmdb_local) == ("http://127.0.0.1:1/3", True, True)
    with pytest.raises(ValidationError, match="source-system is replay"):
        TmdbSettings(
            source_system="replay", base_url="http://replayer:8790", tmdb_base_url="https://api.themoviedb.org/3"
        )


def test_a_client_without_a_token_is_an_error():
    with pytest.raises(ValueError, match="tmdb_token"):
        TmdbClient(TmdbSettings())
