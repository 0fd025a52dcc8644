"""Against the replayer: every page arrives in the end, waits are kept, and refusals end the run at once."""

from __future__ import annotations

import asyncio
import json

import pytest

from jobs.trakt.api.budget import UnlimitedBudget
from jobs.trakt.errors import (
    AccountLimit,
    AccountLocked,
    ApiDown,
    EdgeBlocked,
    KeyRefused,
    PageFailed,
    Unauthorized,
    VipOnly,
)
from jobs.trakt.replayer.server import running
from tests.unit.trakt.api.helpers import FakeClock, RecordingBudget, client_of_site, run

PATHS = [f"/movies/{title}/comments/oldest" for title in range(1_001, 1_006)]
PAGES = [(path, page) for page in range(1, 21) for path in PATHS]


async def read(site, **values):
    """Ask for pages, as many at once as the client allows; return answers and failures by page."""
    async with client_of_site(site, **values) as client:
        found = await asyncio.gather(
            *(client.get(path, {"page": page, "limit": 10}) for path, page in PAGES), return_exceptions=True
        )
        return dict(zip(PAGES, found, strict=True)), client.tally


@pytest.mark.parametrize("scenario", ["storm", "cuts"])
def test_every_page_arrives_whole_and_few_requests_are_wasted(scenario):
    with running(scenario, 3, quota=0) as site:
        found, tally = run(read(site))
        journal = site.site.journal
    assert all(each.status in (200, 404) for each in found.values()), found
    assert all(isinstance(json.loads(each.body), list) for each in found.values() if each.status == 200)
    # A cut that falls on a 404 is none: which pages the struck requests ask for depends on the threads.
    assert sum(journal.faults.values()) >= 5
    assert tally.requests == journal.requests <= 1.2 * len(PAGES)
    assert tally.retries == sum(each.attempts - 1 for each in found.values()) == tally.requests - len(PAGES)
    assert tally.statuses == journal.statuses or scenario == "cuts"


def test_no_wait_that_the_api_demands_is_undercut():
    with running("storm", 3, quota=0) as site:
        run(read(site, connections=1))
        limited = [entry for entry in site.site.journal if entry.status == 429]
        assert len(limited) >= 3
        assert not any(entry.early for entry in site.site.journal)


def test_without_waiting_the_journal_shows_it():
    with running("storm", 3, quota=0) as site:
        run(read(site, connections=1, clock=FakeClock()))
        assert any(entry.early for entry in site.site.journal)


def test_html_in_place_of_json_never_reaches_the_caller():
    with running("html", 3, quota=0) as site:
        found, tally = run(read(site))
        faults = site.site.journal.faults
    assert {"200-html", "404-edge", "404-html", "429-edge-bare", "502"} <= set(faults)
    answers = [each for each in found.values() if not isinstance(each, PageFailed)]
    assert all(json.loads(each.body) is not None for each in answers if each.status == 200)
    # 404 as HTML by the API itself is an answer; by the edge it is not.
    assert tally.failures["EDGE_ANSWER"] == faults["404-edge"]
    assert tally.failures["NOT_JSON"] == faults["200-html"]
    assert tally.failures["EDGE_LIMIT"] == faults["429-edge-bare"]
    assert [each for each in found.values() if isinstance(each, PageFailed)] == []


@pytest.mark.parametrize(
    ("scenario", "error", "code"),
    [
        ("dead-key", KeyRefused, "KEY_REFUSED"),
        ("unauthorized", Unauthorized, "UNAUTHORIZED"),
        ("over-limit", AccountLimit, "ACCOUNT_LIMIT"),
        ("locked", AccountLocked, "ACCOUNT_LOCKED"),
        ("vip-only", VipOnly, "VIP_ONLY"),
    ],
)
def test_a_refusal_of_the_account_ends_the_run_after_one_request(scenario, error, code):
    with running(scenario) as site:
        found, tally = run(read(site))
        assert site.site.journal.requests == tally.requests == 1
    assert {(type(each), each.code, each.exit_code) for each in found.values()} == {(error, code, 78)}
    message = next(iter(found.values())).message
    assert "TRAKT_CLIENT_ID" in message
    assert "cf-ray" in message


def test_bans_of_the_edge_are_sat_out_and_lower_the_budget():
    budget = RecordingBudget()
    with running("edge", 1, quota=0) as site:
        found, tally = run(read(site, budget=budget))
        journal = list(site.site.journal)
    assert all(each.status in (200, 404) for each in found.values())
    assert tally.failures["EDGE_LIMIT"] >= 2
    assert {ban for _, ban in budget.blocked} == {True}
    # Only requests that were under way when a ban began came during it.
    assert sum(entry.early for entry in journal) <= 3 * sum(entry.status == 429 for entry in journal)


def test_an_edge_that_does_not_relent_ends_the_run_with_its_ray():
    with running("edge", 1, quota=0) as site:
        found, _ = run(read(site, clock=FakeClock()))
        refused = [entry for entry in site.site.journal if entry.fault.endswith("-edge")]
    blocked = {id(each): each for each in found.values() if isinstance(each, EdgeBlocked)}
    assert len(refused) <= 3 + 3 * 3
    (error,) = blocked.values()
    assert (error.code, error.exit_code, len(error.data["cf_ray"])) == ("EDGE_BLOCKED", 75, 20)
    assert error.data["cf_ray"] in error.message


def test_an_api_that_is_down_ends_the_run_after_five_requests():
    async def work(site):
        async with client_of_site(site, max_retries=2) as client:
            failures = []
            for _ in range(10):
                try:
                    await client.get("/movies/1001")
                except PageFailed as error:
                    failures.append(error.code)
                except ApiDown as error:
                    return failures, error
        return failures, None

    with running("down", 1, quota=0) as site:
        failures, error = run(work(site))
        assert site.site.journal.requests == 15
    assert failures == ["OVERLOADED"] * 4
    assert (error.code, error.exit_code) == ("API_DOWN", 75)


def test_after_an_hour_an_api_that_was_down_answers():
    async def work(site):
        async with client_of_site(site, max_retries=20, connections=1) as client:
            return await asyncio.gather(*(client.get("/movies/1001") for _ in range(10)))

    with running("down", 1, quota=0) as site:
        answers = run(work(site))
    assert {each.status for each in answers} == {200}
    assert max(each.attempts for each in answers) > 5


def test_without_a_quota_the_budget_allows_everything():
    with running("calm", 1, quota=0) as site:
        found, tally = run(read(site, budget=UnlimitedBudget()))
    assert all(each.attempts == 1 for each in found.values())
    assert (tally.requests, tally.retries, dict(tally.failures)) == (len(PAGES), 0, {})


def test_an_answer_is_observed_by_the_clock_of_the_site():
    with running("calm", 1, quota=0) as site:
        found, _ = run(read(site))
    assert {each.observed_at.date().isoformat() for each in found.values()} == {"2026-05-04"}
    first = found[PAGES[0]]
    assert (first.page, first.page_limit) == (1, 10)
    assert first.etag.startswith('W/"')
