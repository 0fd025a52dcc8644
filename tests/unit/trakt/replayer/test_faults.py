"""Every scenario does on the wire what its name says, in the same way for the same seed."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from email.utils import parsedate_to_datetime

import pytest

from jobs.trakt.model import SCENARIOS
from jobs.trakt.replayer import drift, scenarios
from jobs.trakt.replayer.faults import ACCOUNT, FAULTS
from jobs.trakt.replayer.server import running
from jobs.trakt.replayer.site import Site
from tests.unit.trakt.replayer.client import Client, Received, ask, header, items

FEED = "/comments/updates/all/all"


def observe(name: str, requests: int) -> tuple[list[tuple[str, Received | str]], Site]:
    """Read a list again and again over a socket; pair each entry of the journal with what arrived."""
    arrived: list[Received | str] = []
    with running(name, 1, quota=0, hang_s=0.2) as replayer, Client(replayer.port, 30) as client:
        for at in range(requests):
            try:
                arrived.append(client.get(f"/movies/1001/comments/oldest?limit=50&page={at % 14 + 1}"))
            except (OSError, http.client.HTTPException) as error:
                arrived.append(type(error).__name__)
        faults = [entry.fault for entry in replayer.site.journal]
    assert len(faults) == requests
    return list(zip(faults, arrived, strict=True)), replayer.site


def got(pairs: list[tuple[str, Received | str]], fault: str) -> list[Received]:
    found = [answer for name, answer in pairs if name == fault]
    assert found, f"{fault} never came"
    assert all(isinstance(answer, Received) for answer in found), found
    return found  # type: ignore[return-value]


def is_api(answer: Received) -> bool:
    return {"x-request-id", "x-runtime"} <= set(answer.headers)


def is_html(answer: Received) -> bool:
    return answer.headers["Content-Type"].startswith("text/html")


def test_calm_has_no_faults():
    pairs, _ = observe("calm", 60)
    assert {fault for fault, _ in pairs} == {""}
    assert {answer.status for answer in got(pairs, "")} == {200}
    assert all(is_api(answer) and answer.headers["Server"] == "cloudflare" for answer in got(pairs, ""))


def test_storm_has_every_form_of_retry_after_5xx_52x_and_closed_connections():
    pairs, _ = observe("storm", 200)
    assert {fault for fault, _ in pairs} == {"", *scenarios.KINDS["storm"]}
    assert all(answer.headers["Retry-After"].isdecimal() for answer in got(pairs, "429-seconds"))
    for answer in got(pairs, "429-date"):
        wait = parsedate_to_datetime(answer.headers["Retry-After"]) - parsedate_to_datetime(answer.headers["Date"])
        assert 1 <= wait.total_seconds() <= 10
    assert {answer.headers["Retry-After"] for answer in got(pairs, "429-nonsense")} == {"soon"}
    assert all("Retry-After" not in answer.headers for answer in got(pairs, "429-absent"))
    for name in ("429-seconds", "429-date", "429-nonsense", "429-absent"):
        for answer in got(pairs, name):
            assert answer.status == 429
            assert is_api(answer)
            assert json.loads(answer.headers["X-Ratelimit"])["name"] == "UNAUTHED_API_GET_LIMIT"
    for name in ("500", "502", "503", "504", "520", "521", "522"):
        assert {answer.status for answer in got(pairs, name)} == {int(name)}
    assert all(is_api(answer) for answer in got(pairs, "500"))
    assert all(is_html(answer) and not is_api(answer) for answer in got(pairs, "522"))
    assert {answer for fault, answer in pairs if fault == "drop"} <= {"RemoteDisconnected", "ConnectionResetError"}
    # Requests are numbered from 1: these are the second hundred, number 100 to 199.
    assert sum(bool(fault) for fault, _ in pairs[99:199]) == 15


def test_html_comes_with_200_404_and_429_from_the_edge_and_the_api():
    pairs, _ = observe("html", 120)
    for name, status, api in (
        ("200-html", 200, False),
        ("404-html", 404, True),
        ("404-edge", 404, False),
        ("429-edge-bare", 429, False),
        ("502", 502, False),
    ):
        for answer in got(pairs, name):
            assert answer.status == status
            assert is_html(answer)
            assert is_api(answer) == api
            assert "cf-ray" in answer.headers
    assert all(not {"Retry-After", "X-Ratelimit"} & set(answer.headers) for answer in got(pairs, "429-edge-bare"))


def test_cuts_end_a_body_early_and_never_silently_complete():
    pairs, _ = observe("cuts", 120)
    assert {fault for fault, _ in pairs} == {"", *scenarios.KINDS["cuts"]}
    assert {answer for fault, answer in pairs if fault == "cut"} == {"IncompleteRead"}
    assert {answer for fault, answer in pairs if fault in ("drop", "hang")} <= {
        "RemoteDisconnected",
        "ConnectionResetError",
    }
    for answer in got(pairs, "cut-without-length"):
        assert "Content-Length" not in answer.headers
        if len(answer.body) > 1 or not answer.body:
            with pytest.raises(json.JSONDecodeError):
                json.loads(answer.body)
    assert {answer.body for answer in got(pairs, "empty-body")} == {b""}
    assert all(json.loads(answer.body) is not None for answer in got(pairs, ""))


def test_lies_are_told_about_counts_only():
    pairs, site = observe("lies", 200)
    assert {fault for fault, _ in pairs} == {"", *scenarios.KINDS["lies"]}
    size = site.world.size(0)
    pages = -(-size // 50)

    def counts(fault: str, name: str) -> set[int]:
        return {int(answer.headers[f"X-Pagination-{name}"]) for answer in got(pairs, fault)}

    assert counts("item-count-high", "Item-Count") == {size + 1}
    assert counts("item-count-low", "Item-Count") == {size - 3}
    assert counts("page-count-high", "Page-Count") == {pages + 1}
    assert counts("page-count-low", "Page-Count") <= {pages - 1, pages}
    assert pages - 1 in counts("page-count-low", "Page-Count")
    assert all("X-Pagination-Page" not in answer.headers for answer in got(pairs, "no-page-headers"))
    assert {answer.headers["x-trakt-server"] for answer in got(pairs, "item-count-high")} == {"rails"}
    for fault, answer in pairs:
        if isinstance(answer, Received) and fault != "no-page-headers":
            assert answer.headers["X-Pagination-Limit"] == "50"


def test_drift_has_every_kind_and_the_truth_names_each():
    site = Site("drift", 1, quota=0, step=0)
    lines = {each["comment"]["id"]: each for each in site.truth().comments()}
    kinds = Counter(each["drift"] for each in lines.values())
    assert set(kinds) == {"", *drift.KINDS}
    found: dict[str, bytes] = {}
    for each in site.truth().comments():
        if (kind := each["drift"]) and kind not in found:
            found[kind] = ask(site, f"/comments/{each['comment']['id']}").body
            assert (found[kind] == json.dumps(each["comment"], ensure_ascii=False, separators=(",", ":")).encode()) == (
                kind == "no-comment"
            )
    assert b"\\ud83c" in found["half-surrogate"]
    assert b"\\u0000" in found["nul"]
    assert found["duplicate-key"].count(b'"likes":') == 2
    twice = json.loads(found["duplicate-key"])
    assert found["duplicate-key"].count(b'"likes":999999') == 1
    assert twice == lines[twice["id"]]["comment"]  # of two equal keys, the last is true
    assert b"9223372036854775808" in found["likes-64-bit"]
    assert b":60.000Z" in found["leap-second"]
    assert not json.loads(found["no-zone"])["updated_at"].endswith("Z")
    assert "ids" not in json.loads(found["oldest-shape"])["user"]


def test_feeds_of_drift_are_wrapped_and_bare_in_turn_and_some_items_have_no_comment():
    site = Site("drift", 1, quota=0, step=0)
    feeds = [items(ask(site, f"{FEED}?limit=250&page={page}")) for page in range(1, 9)]
    assert ["type" in feed[0] for feed in feeds] == [True, False] * 4
    assert any("comment" not in item for feed in feeds[::2] for item in feed)
    assert [entry.fault for entry in site.journal] == ["", "bare"] * 4


def test_one_poisoned_comment_fails_every_page_that_holds_it_and_no_other():
    site = Site("poisoned", 1, quota=0, step=0)
    places = [ask(site, f"/movies/1005/comments/oldest?limit=1&page={page}") for page in range(1, 30)]
    assert [at for at, answer in enumerate(places) if answer.status == 500] == [7]
    assert ask(site, "/movies/1005/comments/oldest?limit=250").status == 500
    assert ask(site, "/movies/1005/comments/oldest?limit=4&page=1").status == 200
    wrong = next(each["comment"]["id"] for each in site.truth().comments() if each["poisoned"])
    assert ask(site, f"/comments/{wrong}").status == 500
    statuses = [ask(site, f"{FEED}?limit=250&page={page}").status for page in range(1, 25)]
    assert statuses.count(500) == 1
    assert header(places[7], "x-request-id")


@pytest.mark.parametrize(
    ("name", "status"),
    [("dead-key", 403), ("unauthorized", 401), ("over-limit", 420), ("locked", 423), ("vip-only", 426)],
)
def test_the_api_refuses_the_account_with_the_headers_of_its_reason(name, status):
    pairs, _ = observe(name, 5)
    for answer in got(pairs, str(status)):
        assert answer.status == status
        assert is_api(answer)
        assert json.loads(answer.body)["error"] == ACCOUNT[status][0]
        assert set(dict(ACCOUNT[status][1])) <= set(answer.headers)


def test_the_edge_bans_after_40_requests_and_every_further_one_makes_it_longer():
    site = Site("edge", 1, step=0)
    statuses = [ask(site, "/movies/1001").status for _ in range(43)]
    assert statuses == [200] * 40 + [429, 403, 403]
    site.clock.advance(319_000)
    refused = ask(site, "/movies/1001")
    assert refused.status == 403
    assert refused.kind.startswith("text/html")
    assert header(refused, "cf-ray")
    assert "x-request-id" not in dict(refused.headers)
    site.clock.advance(12_000)
    assert ask(site, "/movies/1001").status == 200
    assert site.journal.faults == {"429-edge": 1, "403-edge": 3}


def test_scenario_down_ends_after_an_hour():
    site = Site("down", 1, quota=0)
    assert [ask(site, "/movies/1001").status for _ in range(8)] == [503, 504, 521, 522] * 2
    site.clock.advance(3_600_000)
    assert ask(site, "/movies/1001").status == 200


def test_a_cached_answer_says_its_age_and_is_what_was_true_then():
    site = Site("moves", 1, quota=0, step=0)
    path = "/comments/updates/all/all?limit=50"
    first = ask(site, path, fresh=False)
    site.clock.advance(600_000)
    stale, fresh = ask(site, path, fresh=False), ask(site, path)
    assert header(stale, "Age") == "600"
    assert stale.body == first.body != fresh.body
    assert header(fresh, "Age") == "0"
    site.clock.advance(3_600_000)
    assert header(ask(site, path, fresh=False), "Age") == "0"


def test_an_etag_that_still_holds_is_304_without_a_body():
    site = Site("calm", 1)
    first = ask(site, "/movies/1001/comments/oldest")
    tag = header(first, "ETag")
    assert tag.startswith('W/"')
    again = ask(site, "/movies/1001/comments/oldest", if_none_match=tag)
    assert (again.status, again.body) == (304, b"")
    assert ask(site, "/movies/1001/comments/newest", if_none_match=tag).status == 200


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "big"])
def test_the_same_requests_get_the_same_answers_byte_for_byte(name):
    def answers(seed: int) -> list[tuple[int, bytes, list[tuple[str, str]], str]]:
        site = Site(name, seed)
        paths = [f"{FEED}?page={page}" for page in range(1, 20)] + [
            "/movies/1001/comments/likes",
            "/movies/1001/ratings",
        ]
        found = [ask(site, path, fresh=at % 2 == 0) for at, path in enumerate(paths * 2)]
        return [(each.status, each.body, each.headers, each.manner) for each in found]

    assert answers(4) == answers(4)
    assert answers(4) != answers(5)


def test_every_scenario_is_described_and_every_fault_is_used():
    used = {fault for name in SCENARIOS for fault in scenarios.KINDS[name]}
    assert set(FAULTS) <= used
    for name in SCENARIOS:
        assert scenarios.scenario(name)


def test_lists_without_page_headers_have_no_false_counts():
    site = Site("lies", 1, quota=0)
    for _ in range(50):
        ask(site, "/movies/1001/ratings")
    assert not site.journal.faults
