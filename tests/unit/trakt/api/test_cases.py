"""The given cases that concern the client: what it sends, awaits and refuses is as their ``right`` says."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs.trakt.api.resources import LIMIT
from jobs.trakt.api.retry import judge
from jobs.trakt.errors import EdgeBlocked, KeyRefused, PageFailed
from tests.unit.trakt.api.helpers import FakeClock, RecordingBudget, client_of, run

CASES = Path(__file__).parents[3] / "trakt_cases"


def case(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    found = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    return found["input"], found["right"]


class Server:
    """Answers every request the same, and counts them."""

    def __init__(self, status: int, headers: dict[str, str] | None = None, body: str | bytes = b"") -> None:
        self.answer = status, headers or {}, body
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        status, headers, body = self.answer
        return httpx.Response(status, headers=headers, content=body)


async def ask(handler, **values):
    async with client_of(handler, **values) as client:
        return await client.get("/movies/1/comments/oldest", {"limit": LIMIT, "page": 1})


def test_html_under_200_is_retried_and_its_page_fails():
    given, right = case("200-html")
    server = Server(given["status"], given["headers"], given["body"])
    with pytest.raises(PageFailed) as caught:
        run(ask(server))
    assert caught.value.code == right["reason"]
    assert (len(server.requests) > 1) is right["retried"]


def test_a_dead_key_ends_the_run_with_its_first_request():
    given, right = case("403-key")
    server = Server(given["status"], given["headers"])

    async def several():
        async with client_of(server) as client:
            asked = [client.get("/movies/1"), client.get("/movies/2"), client.get("/movies/3")]
            found = await asyncio.gather(*asked, return_exceptions=True)
            found.append((await asyncio.gather(client.get("/movies/4"), return_exceptions=True))[0])
            return found

    found = run(several())
    assert {type(each) for each in found} == {KeyRefused}
    error = found[0]
    assert (error.code, error.exit_code) == (right["code"], right["exit"])
    assert len(server.requests) - 1 == right["requests_after_it"]
    # In our words: an account that is not VIP.
    for words in right["message_names"]:
        assert words.replace("no VIP", "not VIP") in error.message


def test_a_404_of_the_api_as_html_is_an_answer_and_not_a_block():
    given, right = case("404-html")
    found = run(ask(Server(given["status"], given["headers"], given["body"])))
    assert found.status == 404
    assert right["code"] == "TITLE_NOT_FOUND"


def test_a_429_of_the_edge_stops_all_requests_lowers_the_budget_and_ends_the_run_after_3():
    given, right = case("429-no-headers")
    verdict = judge(
        given["status"],
        {name.lower(): value for name, value in given["headers"].items()},
        given["body"].encode(),
        attempt=1,
        backoff_s=1.0,
        now=datetime.fromisoformat("2026-11-28T12:00:00Z"),
        draw=0.0,
    )
    assert (verdict.code, verdict.wait_s >= right["sleep_s_at_least"]) == (right["classified"], True)
    clock, budget = FakeClock(), RecordingBudget()
    server = Server(given["status"], given["headers"], given["body"])
    with pytest.raises(EdgeBlocked) as caught:
        run(ask(server, clock=clock, budget=budget))
    assert f"exit {caught.value.exit_code}" == right["after_3"]
    assert len(server.requests) == 3
    # Two waits of all requests, and three calls that lower the budget of this run and of others.
    assert len(clock.slept) == 2
    assert min(clock.slept) >= right["sleep_s_at_least"]
    assert [ban for _, ban in budget.blocked] == [True] * 3


def test_a_wait_until_a_date_is_measured_by_the_clock_of_the_server():
    given, right = case("retry-after-date")
    least, most = right["sleep_s"]
    for draw in (0.0, 0.5, 0.999):
        verdict = judge(
            given["status"],
            {name.lower(): value for name, value in given["headers"].items()},
            b"",
            attempt=1,
            backoff_s=1.0,
            now=datetime.fromisoformat(given["local_clock"]),
            draw=draw,
        )
        assert verdict.action == "retry"
        assert least <= verdict.wait_s <= most


def test_a_body_that_is_cut_is_retried_and_gives_no_answer():
    given, right = case("truncated-body")

    async def serve(connected: list[int]):
        async def answer(reader, writer):
            connected.append(1)
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 {given['status']} OK\r\nContent-Length: {given['content_length']}\r\n\r\n"
            writer.write(head.encode() + b"[" + b"1," * given["bytes_sent"])
            writer.transport.write_eof()
            writer.close()

        return await asyncio.start_server(answer, "127.0.0.1", 0)

    async def work():
        connected: list[int] = []
        server = await serve(connected)
        port = server.sockets[0].getsockname()[1]
        async with server, client_of(Server(500), base_url=f"http://127.0.0.1:{port}", max_retries=2) as client:
            # A real connection: a transport of a test would not know the length.
            await client._pool.close()
            client._pool = type(client._pool)(client._settings)
            with pytest.raises(PageFailed) as caught:
                await client.get("/movies/1")
        return caught.value.code, len(connected)

    given["bytes_sent"] //= 2
    code, attempts = run(work())
    assert f"page failed: {code}" == right["after_retries"]
    assert (attempts > 1) is right["retried"]


def test_pages_are_counted_by_the_limit_that_the_api_grants():
    given, right = case("limit-clamped")
    server = Server(200, given["response"], b"[]")

    async def work():
        async with client_of(server) as client:
            first = await client.get("/movies/1", {"limit": given["request_limit"], "page": 1})
            for page in range(2, first.page_count + 1):
                await client.get("/movies/1", {"limit": first.page_limit, "page": page})

    run(work())
    assert len(server.requests) == right["requests"]
    assert [request.url.query for request in server.requests[1:2]] == [b"limit=250&page=2"]
    assert right["next"].startswith("page 2 with limit 250")
