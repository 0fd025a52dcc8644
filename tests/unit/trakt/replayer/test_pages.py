"""Pages of a world that stands still, joined, are its truth."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.trakt.replayer import scenarios
from jobs.trakt.replayer.habits import Habits
from jobs.trakt.replayer.paging import SORTS, SYNONYMS
from jobs.trakt.replayer.site import Site
from tests.unit.trakt.replayer.client import ask, header, items, sweep

KEYS = {
    "newest": lambda each: -each["id"],
    "oldest": lambda each: each["id"],
    "likes": lambda each: (-each["likes"], -each["id"]),
    "replies": lambda each: (-each["replies"], -each["id"]),
    "highest": lambda each: (each["user_rating"] is None, -(each["user_rating"] or 0), -each["id"]),
    "lowest": lambda each: (each["user_rating"] is None, each["user_rating"] or 0, -each["id"]),
    "plays": lambda each: (-each["user_stats"]["play_count"], -each["id"]),
}
KEYS |= {name: KEYS[same] for name, same in SYNONYMS.items()}
SMALL = Habits(comments=900, titles=9, span=10**9)
BUSY = Habits(
    comments=900,
    titles=9,
    span=10**9,
    event_gap=1_000,
    events={
        "insert": 3,
        "edit": 3,
        "delete": 4,
        "restore": 2,
        "move": 4,
        "like": 1,
        "unlike": 2,
        "reply": 2,
        "rate": 1,
        "merge": 1,
        "slug": 1,
    },
)


def frozen(monkeypatch: pytest.MonkeyPatch, seed: int, habits: Habits = SMALL, seconds: int = 0) -> Site:
    """Return a site whose world has lived for some seconds and then stands still."""
    monkeypatch.setattr("jobs.trakt.replayer.site.scenario", lambda _: scenarios.Scenario(habits))
    site = Site("calm", seed, quota=0, step=0)
    site.world.advance_to(site.clock.advance(seconds * 1_000))
    return site


@pytest.fixture
def patch():
    with pytest.MonkeyPatch.context() as found:
        yield found


def subjects(site: Site) -> dict[tuple[str, int, int | None, int | None], list[dict]]:
    found: dict[tuple[str, int, int | None, int | None], list[dict]] = {}
    for line in site.truth().comments():
        title = line.get("movie") or line["show"]
        season = (line.get("season") or {}).get("number") or (line.get("episode") or {}).get("season")
        key = (
            "movies" if "movie" in line else "shows",
            title["ids"]["trakt"],
            season,
            line.get("episode", {}).get("number"),
        )
        found.setdefault(key, []).append(line["comment"])
    return found


def path(key: tuple[str, int, int | None, int | None]) -> str:
    kind, trakt, season, episode = key
    middle = "" if season is None else f"/seasons/{season}" + ("" if episode is None else f"/episodes/{episode}")
    return f"/{kind}/{trakt}{middle}/comments"


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("habits", [SMALL, BUSY], ids=["quiet", "after events"])
def test_every_thread_in_every_order_equals_the_truth(sort, habits, patch):
    site = frozen(patch, 3, habits, 600)
    truth = subjects(site)
    assert len(truth) > 10
    for key, comments in truth.items():
        assert sweep(site, f"{path(key)}/{sort}", 37) == sorted(comments, key=KEYS[sort])


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**63 - 1),
    limit=st.integers(1, 300),
    sort=st.sampled_from(SORTS),
    seconds=st.integers(0, 900),
    pick=st.integers(0, 10**6),
)
def test_whatever_the_seed_the_limit_and_the_past_joined_pages_equal_the_truth(seed, limit, sort, seconds, pick):
    with pytest.MonkeyPatch.context() as patch:
        site = frozen(patch, seed, BUSY, seconds)
        truth = subjects(site)
        key = sorted(truth, key=str)[pick % len(truth)]
        assert sweep(site, f"{path(key)}/{sort}", limit) == sorted(truth[key], key=KEYS[sort])


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**63 - 1), limit=st.integers(20, 300), seconds=st.integers(0, 900))
def test_joined_feeds_equal_the_truth_by_time(seed, limit, seconds):
    with pytest.MonkeyPatch.context() as patch:
        site = frozen(patch, seed, BUSY, seconds)
        truth = list(site.truth().comments())
        recent = sweep(site, "/comments/recent/all/all", limit)
        assert recent == sorted(truth, key=lambda each: -each["comment"]["id"])
        updates = sweep(site, "/comments/updates/all/all", limit)
        assert sorted(updates, key=lambda each: each["comment"]["id"]) == truth
        times = [each["comment"]["updated_at"] for each in updates]
        assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("feed", ["recent", "updates"])
@pytest.mark.parametrize(
    ("kind", "subject"), [("reviews", "all"), ("shouts", "movies"), ("all", "episodes"), ("all", "lists")]
)
@pytest.mark.parametrize("habits", [SMALL, BUSY], ids=["quiet", "after events"])
def test_a_filtered_feed_has_what_the_filter_says_in_the_order_of_the_whole_feed(feed, kind, subject, habits, patch):
    site = frozen(patch, 5, habits, 300)
    found = sweep(site, f"/comments/{feed}/{kind}/{subject}", 37)
    order = [each["comment"]["id"] for each in sweep(site, f"/comments/{feed}/all/all", 250)]
    assert [each["comment"]["id"] for each in found] == sorted(
        (each["comment"]["id"] for each in found), key=order.index
    )
    wanted = [
        each
        for each in site.truth().comments()
        if subject in ("all", f"{each['type']}s")
        and (kind == "all" or each["comment"]["review"] == (kind == "reviews"))
    ]
    assert sorted(found, key=lambda each: each["comment"]["id"]) == wanted
    assert bool(wanted) == (subject != "lists")


def test_a_feed_with_replies_has_the_replies_of_each_comment(patch):
    site = frozen(patch, 5, BUSY, 300)
    found = []
    page = 1
    while True:
        answer = ask(site, f"/comments/recent/all/all?include_replies=true&limit=250&page={page}")
        found += [each["comment"] for each in items(answer)]
        if page == int(header(answer, "X-Pagination-Page-Count")):
            break
        page += 1
    top = [each for each in found if each["parent_id"] == 0]
    replies = [each for each in found if each["parent_id"]]
    assert len(top) == len(list(site.truth().comments()))
    assert len(replies) == sum(each["replies"] for each in top) > 50
    for parent in top[:20]:
        own = sweep(site, f"/comments/{parent['id']}/replies", 3)
        assert [each["id"] for each in own] == sorted(
            each["id"] for each in replies if each["parent_id"] == parent["id"]
        )


def test_likes_and_reactions_are_as_many_as_their_comment_and_their_summary_say(patch):
    site = frozen(patch, 5, BUSY, 300)
    recent = items(ask(site, "/comments/recent/all/all?include_replies=true&limit=250"))
    kinds: Counter[str] = Counter()
    for each in (item["comment"] for item in recent):
        at = f"/comments/{each['id']}"
        likes = sweep(site, f"{at}/likes", 3)
        assert len(likes) == each["likes"]
        assert all(each["created_at"] <= like["liked_at"] for like in likes)
        assert likes == sorted(likes, key=lambda like: like["liked_at"], reverse=True)
        found = sweep(site, f"{at}/reactions", 2)
        summary = json.loads(ask(site, f"{at}/reactions/summary").body)
        assert summary["reaction_count"] == sum(summary["distribution"].values()) == len(found)
        assert summary["user_count"] == len({each["user"]["username"] for each in found})
        counts = Counter(each["reaction"]["type"] for each in found)
        assert counts == Counter(summary["distribution"])
        kinds += counts
    assert any(item["comment"]["parent_id"] for item in recent)
    assert len(kinds) == 7
    assert ask(site, "/comments/5/reactions").status == 404


def test_a_comment_can_be_read_by_its_id_exactly_if_it_is_shown(patch):
    site = frozen(patch, 2, BUSY, 600)
    shown = {each["comment"]["id"]: each["comment"] for each in site.truth().comments()}
    statuses = set()
    for identifier in range(90, 2_000):
        answer = ask(site, f"/comments/{identifier}")
        statuses.add(answer.status)
        assert (answer.status == 200) == (identifier in shown)
        if answer.status == 200:
            assert json.loads(answer.body) == shown[identifier]
    assert statuses == {200, 404}


def test_a_page_of_250_hidden_comments_is_empty_and_not_the_last(patch):
    site = Site("calm", 1)
    pages = [ask(site, f"/movies/the-hollow-2015/comments/oldest?limit=250&page={page}") for page in (1, 2, 3)]
    assert [len(items(page)) for page in pages][1] == 0
    assert len(items(pages[0])) < 250
    assert items(pages[2])
    assert {header(page, "X-Pagination-Page-Count") for page in pages} == {"3"}


@pytest.mark.parametrize(
    ("asked", "limit"), [("1000", "250"), ("all", "250"), ("250", "250"), ("7", "7"), (None, "10")]
)
def test_a_limit_is_clamped_not_refused(asked, limit):
    site = Site("calm", 1)
    answer = ask(site, "/movies/1001/comments/oldest" + (f"?limit={asked}" if asked else ""))
    assert header(answer, "X-Pagination-Limit") == limit
    assert 0 < len(items(answer)) <= int(limit)


def test_a_page_after_the_last_is_empty():
    answer = ask(Site("calm", 1), "/movies/1001/comments/oldest?page=999999999&limit=250")
    assert items(answer) == []
    assert header(answer, "X-Pagination-Page-Count") == "3"


@pytest.mark.parametrize(
    "query",
    [
        *("page=0", "page=-1", "page=x", "page=", "page=%D9%A3", "limit=0", "limit=1e3", "limit=" + "9" * 30),
        *("language=english", "&".join(f"a{at}=1" for at in range(40))),
    ],
)
def test_a_bad_value_is_400(query):
    assert ask(Site("calm", 1), f"/movies/1001/comments/oldest?{query}").status == 400


def test_an_unknown_order_is_400_and_names_the_known_ones():
    answer = ask(Site("calm", 1), "/movies/1001/comments/best")
    assert answer.status == 400
    assert b"newest, oldest, likes" in answer.body
