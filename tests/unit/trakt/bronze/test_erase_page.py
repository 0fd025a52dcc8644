"""Erasing users from a page: their items go, their ids stay, and the other items are as they were."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.trakt.bronze.erase_page import rewrite_erased
from jobs.trakt.bronze.erased_items import EMPTY, Erased, author_names, name_digest, names_in_text
from jobs.trakt.bronze.pages import WHOLE_ANSWER, PageRequest, decode, encode
from jobs.trakt.bronze.rows import read_page
from tests.trakt_answers import comment, feed_item
from tests.trakt_answers import encode as as_json
from tests.trakt_bronze import FERRY, comments_page, one_page

SALT = b"a salt for tests only"


def erased(*names: str) -> Erased:
    return Erased(SALT, frozenset(name_digest(SALT, name) for name in names))


def user(name: str, slug: str | None = None) -> dict[str, Any]:
    return {"username": name, "ids": {"slug": slug}} if slug else {"username": name}


ANN = erased("ann-b")
FEED = PageRequest("l", "feed", sort="updates", page=1, limit=250)


@pytest.mark.parametrize(
    "given_user",
    [user("Ann B", "ann-b"), user("ann-b"), user("ANN-B"), user("x", "Ann-B"), user(" ann-b ")],
)
def test_a_user_is_known_by_name_or_slug_in_any_case(given_user: dict[str, Any]):
    page = comments_page("l", [comment(id=1), comment(id=2, user=given_user), comment(id=3)])
    rows = read_page(page, ANN)
    assert ([one.id for one in rows.observations], rows.erased, rows.found_now) == ([1, 3], 1, True)
    rewritten = rewrite_erased(page, ANN)
    assert json.loads(rewritten.body) == [comment(id=1), None, comment(id=3)]


@pytest.mark.parametrize("given_user", [user("ann"), user("ann-bc"), user("x", "ann_b"), user("")])
def test_another_user_is_not(given_user: dict[str, Any]):
    page = comments_page("l", [comment(id=2, user=given_user)])
    assert read_page(page, ANN).erased == 0
    assert rewrite_erased(page, ANN) is page


def test_a_page_without_a_user_has_the_same_sightings():
    items = [comment(id=1), comment(id=2, user=user("ann-b")), {"id": 0, "user": user("ann-b")}, comment(id=4)]
    for page in (comments_page("l", items), one_page(FEED, items)):
        before = json.loads(read_page(page).sightings or "")
        rewritten = decode(encode(rewrite_erased(page, ANN)), "x")
        for found in (read_page(rewritten, ANN), read_page(rewritten), read_page(page, ANN)):
            seen = json.loads(found.sightings or "")
            assert (seen["ids"], seen["sha"], seen["items"]) == (before["ids"], before["sha"], before["items"])
            assert (found.dead_letters, found.erased, [one.index for one in found.observations]) == ([], 2, [0, 3])
        assert rewrite_erased(rewritten, ANN) is rewritten


def test_a_second_user_is_erased_from_a_page_that_lacks_the_first():
    page = comments_page("l", [comment(id=1, user=user("bob")), comment(id=2, user=user("ann-b")), comment(id=3)])
    before = json.loads(read_page(page).sightings or "")
    rewritten = rewrite_erased(rewrite_erased(page, ANN), erased("bob"))
    assert [(item.index, item.id) for item in rewritten.erased] == [(0, 1), (1, 2)]
    assert json.loads(read_page(rewritten).sightings or "") == before


def test_a_single_comment_of_a_user_leaves_its_id():
    page = one_page(PageRequest("l", "comment", comment_id=5), comment(id=5, user=user("ann-b")))
    before = read_page(page).sightings
    rewritten = rewrite_erased(page, ANN)
    assert json.loads(rewritten.body) is None
    found = read_page(rewritten)
    assert (found.sightings, found.observations, found.dead_letters) == (before, [], [])


def test_a_feeds_item_is_that_of_its_comments_user_and_owners_of_lists_are_removed():
    item = feed_item("list", comment=comment(id=1))
    item["list"]["user"] = user("ann-b")
    other = feed_item("movie", comment=comment(id=2, user=user("ann-b")))
    page = one_page(FEED, [item, other])
    rewritten = rewrite_erased(page, ANN)
    assert json.loads(rewritten.body) == [{**item, "list": {**item["list"], "user": None}}, None]
    assert b"ann-b" not in rewritten.body
    assert json.loads(read_page(rewritten).sightings or "")["titles"] == ["", ""]


def nested(name: str) -> dict[str, Any]:
    """Return a comment by another user, with a user in a field that the contract does not know, and a title's slug."""
    about = {"movie": {"title": "Ann B", "ids": {"slug": "ann-b"}}}
    return comment(id=2, thread={"user": user(name), "liked_by": [user(name), user("bob")], **about})


def test_a_user_in_an_unknown_field_of_another_users_comment_is_removed_as_if_it_had_never_been_there():
    page = comments_page("l", [comment(id=1), nested("Ann-B"), {"id": 0, "by": user("ann-b")}])
    found = read_page(page, ANN)
    assert (found.found_now, found.erased, [one.id for one in found.observations]) == (True, 0, [1, 2])
    payload = json.loads(found.observations[1].payload or "")
    assert payload["thread"] == {"user": None, "liked_by": [None, user("bob")], "movie": nested("x")["thread"]["movie"]}
    assert [letter.payload_start for letter in found.dead_letters] == [""]
    rewritten = rewrite_erased(page, ANN)
    assert b"Ann-B" not in rewritten.body
    again = read_page(rewritten)
    assert (again.sightings, again.observations) == (found.sightings, found.observations)
    assert rewrite_erased(rewritten, ANN) is rewritten


def test_users_of_tmdb_are_not_users_of_trakt():
    page = one_page(PageRequest("l", "tmdb", FERRY), {"id": 1, "reviews": [{"user": user("ann-b")}]})
    assert rewrite_erased(page, ANN) is page


def test_an_answer_that_cannot_be_parsed_is_emptied_if_it_has_the_name():
    body = as_json([comment(id=1), comment(id=2, user=user("Ann-B"))])[:-3]
    page = comments_page("l", []).without(body, ())
    assert len(read_page(page).dead_letters) == 1
    assert (read_page(page, ANN).dead_letters, read_page(page, ANN).found_now) == ([], True)
    rewritten = rewrite_erased(page, ANN)
    assert (rewritten.body, rewritten.erased) == (b"", (WHOLE_ANSWER,))
    found = read_page(decode(encode(rewritten), "x"))
    assert (found.dead_letters, found.sightings, found.erased) == ([], None, 1)
    assert rewrite_erased(page, erased("someone")) is page


def test_mentions_in_texts_of_others_stay():
    page = comments_page("l", [comment(id=1, comment="as ann-b says")])
    assert rewrite_erased(page, ANN) is page


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("ann-b"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["user", "comment", "username", "ids", "slug", "id", "list"]), inner, max_size=4
        )
    ),
    max_leaves=15,
)


@given(st.lists(JSON, max_size=4))
def test_any_page_is_rewritten_once_and_names_no_user(items: list[Any]):
    page = comments_page("l", []).without(json.dumps(items).encode(), ())
    rewritten = rewrite_erased(page, ANN)
    assert rewrite_erased(rewritten, ANN) is rewritten
    assert all("ann-b" not in author_names(item) for item in json.loads(rewritten.body))
    assert read_page(page, ANN).sightings == read_page(rewritten).sightings


@given(st.text(max_size=30))
def test_names_are_found_in_damaged_text(name: str):
    whole = json.dumps({"user": {"username": name, "ids": {"slug": "s"}}})
    assert names_in_text(whole) == {one for one in (name, "s") if one}
    assert "s" in names_in_text(whole[:-3])


def test_no_user_is_erased_without_tombstones():
    assert not EMPTY
    assert not EMPTY.holds(["ann-b"])
    assert name_digest(SALT, "ann-b") != name_digest(b"another", "ann-b")
