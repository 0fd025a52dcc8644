"""Rows of a page: what is stored of each kind of answer, and which items were seen."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from jobs.trakt.bronze.erased_items import Erased, comment_mark, name_digest
from jobs.trakt.bronze.pages import PageRequest
from jobs.trakt.bronze.rows import Subject, read_page
from jobs.trakt.model import TitleRef
from tests.trakt_answers import comment, encode, example, feed_item
from tests.trakt_bronze import FERRY, comments_page, one_page

FEED = PageRequest("l", "feed", sort="updates", page=1, limit=250)
HARBOUR = TitleRef("show", 7001)


def test_a_comment_has_its_payload_hash_id_and_title():
    (found,) = read_page(comments_page("l", [comment(id=5)], season=1, episode=2)).observations
    assert found.payload is not None
    assert json.loads(found.payload) == comment(id=5)
    assert found.sha256 == hashlib.sha256(found.payload.encode()).hexdigest()
    assert (found.kind, found.index, found.id) == ("comment", 0, 5)
    assert found.subject == Subject(FERRY, None, 1, 2)


@pytest.mark.parametrize(
    ("kind", "subject", "name"),
    [
        ("movie", Subject(TitleRef("movie", 7001), "harbour"), "movie-7001"),
        ("show", Subject(HARBOUR, "harbour"), "show-7001"),
        ("season", Subject(HARBOUR, "harbour", 1), "show-7001/1"),
        ("episode", Subject(HARBOUR, "harbour", 1, 3), "show-7001/1/3"),
        ("list", Subject(), ""),
    ],
)
def test_an_item_of_a_feed_is_stored_as_a_list_has_it_with_the_title_that_it_names(
    kind: str, subject: Subject, name: str
):
    in_list = read_page(comments_page("l", [comment(id=5)])).observations[0]
    rows = read_page(one_page(FEED, [feed_item(kind, comment=comment(id=5))]))
    (found,) = rows.observations
    assert (found.payload, found.sha256, found.subject) == (in_list.payload, in_list.sha256, subject)
    assert json.loads(rows.sightings or "") == {
        "ids": [5],
        "sha": [in_list.sha256[:16]],  # type: ignore[index]
        "items": 1,
        "titles": [name],
    }


def test_a_bare_item_and_an_item_of_an_unknown_type_in_a_feed_name_no_title():
    page = one_page(FEED, [comment(id=5), feed_item("movie", type="person", comment=comment(id=6))])
    rows = read_page(page)
    assert [(one.id, one.subject) for one in rows.observations] == [(5, Subject()), (6, Subject())]
    assert json.loads(rows.sightings or "")["titles"] == ["", ""]


def test_a_number_of_a_season_beyond_its_column_is_dropped():
    item = feed_item("season", comment=comment(id=5))
    item["season"]["number"] = 2**31
    assert read_page(one_page(FEED, [item])).observations[0].subject == Subject(HARBOUR, "harbour")


def test_an_episode_without_its_season_is_not_taken_for_a_season():
    item = feed_item("episode", episode={"number": 3, "ids": {"trakt": 88003}})
    (found,) = read_page(one_page(FEED, [item])).observations
    assert (found.subject.season, found.subject.episode, str(found.subject)) == (None, None, "show-7001")


@pytest.mark.parametrize(
    ("headers", "title"),
    [
        ({"x-item-type": "movie", "x-item-id": "12"}, TitleRef("movie", 12)),
        ({"x-item-type": "show", "x-item-id": "12"}, TitleRef("show", 12)),
        ({"x-item-type": "episode", "x-item-id": "12"}, None),
        ({"x-item-type": "movie", "x-item-id": "twelve"}, None),
        ({}, None),
    ],
)
def test_a_single_comment_names_its_title_in_headers(headers: dict[str, str], title: TitleRef | None):
    page = one_page(PageRequest("l", "comment", comment_id=5), comment(id=5), headers=headers)
    (found,) = read_page(page).observations
    assert (found.kind, found.index, found.id, found.subject.title) == ("comment", None, 5, title)


@pytest.mark.parametrize(
    ("headers", "titles"),
    [
        ({"x-item-type": "episode", "x-item-id": "12"}, ["episode-12"]),
        ({"x-item-type": "list", "x-item-id": "5"}, ["list-5"]),
        ({"x-item-type": "movie", "x-item-id": "12"}, None),
        ({"x-item-type": "episode", "x-item-id": ""}, None),
        ({"x-item-type": "person", "x-item-id": "12"}, None),
    ],
)
def test_a_single_comment_that_left_its_title_says_so_in_the_sightings(headers: dict[str, str], titles: Any):
    page = one_page(PageRequest("l", "comment", comment_id=5), comment(id=5), headers=headers)
    assert json.loads(read_page(page).sightings or "").get("titles") == titles


@pytest.mark.parametrize(
    ("request_", "kind", "number"),
    [
        (PageRequest("l", "comment", comment_id=5), "comment_gone", 5),
        (PageRequest("l", "title", FERRY), "title_gone", FERRY.trakt_id),
        (PageRequest("l", "comments", FERRY, sort="oldest", page=1, limit=250), None, None),
        (PageRequest("l", "rating", FERRY), None, None),
        (PageRequest("l", "tmdb", FERRY), None, None),
    ],
)
def test_a_404_is_an_observation_of_a_comment_or_title_only(request_: PageRequest, kind: str | None, number: int):
    rows = read_page(one_page(request_, b"<html>", status=404))
    assert [(one.kind, one.id, one.payload) for one in rows.observations] == ([(kind, number, None)] if kind else [])
    assert json.loads(rows.sightings or "") == {"ids": [], "sha": [], "items": 0}
    assert rows.dead_letters == []


def test_a_rating_and_a_title_are_one_row_each_and_are_seen():
    for resource in ("rating", "title"):
        page = one_page(PageRequest("l", resource, FERRY), example(resource))  # type: ignore[arg-type]
        rows = read_page(page)
        (found,) = rows.observations
        assert (found.kind, found.index, found.id) == (resource, None, FERRY.trakt_id)
        assert json.loads(rows.sightings or "")["ids"] == [FERRY.trakt_id]
        assert found.subject == Subject(FERRY, "night-ferry-2026" if resource == "title" else None)


def test_a_bad_item_is_a_dead_letter_and_the_others_are_seen_in_order():
    rows = read_page(comments_page("l", [comment(id=7), {"id": 0}, comment(id=5)]))
    assert [one.id for one in rows.observations] == [7, 5]
    seen = json.loads(rows.sightings or "")
    assert (seen["ids"], seen["items"]) == ([7, 5], 3)
    (letter,) = rows.dead_letters
    assert (letter.load_id, letter.page_key, letter.item_index) == ("l", rows.page.key, 1)
    assert (letter.code, letter.payload_start) == ("FIELD_MISSING", '{"id": 0}')


def test_an_answer_that_cannot_be_read_is_not_a_page_that_was_seen():
    for body in (b"<html>Access denied</html>", encode([comment()])[:-5], b"{}"):
        rows = read_page(comments_page("l", []).without(body, ()))
        assert (rows.sightings, rows.observations) == (None, [])
        assert [(letter.item_index, letter.payload_start[:5]) for letter in rows.dead_letters] == [
            (None, body[:5].decode())
        ]


def test_a_status_that_is_not_an_answer_is_a_dead_letter():
    rows = read_page(one_page(PageRequest("l", "rating", FERRY), example("rating"), status=503))
    assert (rows.sightings, rows.observations) == (None, [])
    assert rows.dead_letters[0].message == "the answer has status 503; expected 200 or 404"


def test_metadata_of_tmdb_is_stored_with_sorted_keys_and_unknown_fields_are_counted():
    body = b'{"title": "half \\ud800", "new": {"z": 1.50, "y": "\\u0000"}, "id": 5, "genres": [{"id": 1, "x": 2}]}'
    rows = read_page(one_page(PageRequest("l", "tmdb", FERRY), body))
    (found,) = rows.observations
    assert found.payload == '{"genres":[{"id":1,"x":2}],"id":5,"new":{"y":"\\u0000","z":1.5},"title":"half \ufffd"}'
    assert (found.kind, found.id, found.subject.title) == ("tmdb", FERRY.trakt_id, FERRY)
    assert rows.unknown == {"/new": 1, "/genres/*/x": 1}


def test_the_id_of_a_title_at_tmdb_is_not_taken_for_that_of_an_erased_comment():
    erased = Erased(b"salt", frozenset({name_digest(b"salt", comment_mark(5))}))
    rows = read_page(one_page(PageRequest("l", "tmdb", FERRY), {"id": 5}), erased)
    assert (rows.erased, rows.found_now, len(rows.observations)) == (0, False, 1)


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        (b"[]", "NOT_AN_OBJECT", "/"),
        (b"<html>", "NOT_JSON", "/"),
        (b'{"id": 5, "a": 1e999}', "NUMBER_RANGE", "/a"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "TOO_DEEP", "/"),
        (b'{"popularity": 3}', "FIELD_MISSING", "/id"),
        (b'{"id": 5, "vote_average": "7.4"}', "FIELD_INVALID", "/vote_average"),
        (b'{"id": 5, "genres": [{"id": 1}, {"id": 0}]}', "NUMBER_RANGE", "/genres/1/id"),
    ],
)
def test_metadata_of_tmdb_that_breaks_the_contract_is_a_dead_letter(body: bytes, code: str, path: str):
    rows = read_page(one_page(PageRequest("l", "tmdb", FERRY), body))
    assert [(letter.code, letter.path) for letter in rows.dead_letters] == [(code, path)]
    assert rows.observations == []


@pytest.mark.parametrize("value", [None, [], "x", {"movie": None}, {"movie": {"ids": None}}])
def test_a_hostile_subject_of_a_feed_stops_nothing(value: Any):
    item = {**feed_item("movie", comment=comment(id=5)), "movie": value}
    rows = read_page(one_page(FEED, [item, feed_item("movie", comment=comment(id=6))]))
    assert 6 in [one.id for one in rows.observations]
