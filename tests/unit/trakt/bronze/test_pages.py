"""Page objects: keys from inputs only, content as received, and nothing that is damaged is read as a page."""

from __future__ import annotations

import dataclasses
import gzip
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.trakt.bronze.pages import ErasedItem, PageObjects, PageRequest, decode, encode
from jobs.trakt.model import TitleRef
from shared.errors import DataError, IntegrityError
from shared.storage import FileStore
from tests.trakt_bronze import FERRY, comments_page, one_page

if TYPE_CHECKING:
    from pathlib import Path

REQUESTS = st.builds(
    PageRequest,
    load_id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    resource=st.sampled_from(["comments", "replies", "feed", "comment", "rating", "title", "tmdb"]),
    title=st.none() | st.builds(TitleRef, st.sampled_from(["movie", "show"]), st.integers(1, 2**40)),
    sort=st.none() | st.sampled_from(["oldest", "newest", "updates"]),
    page=st.none() | st.integers(1, 10**6),
    limit=st.none() | st.sampled_from([1, 10, 250]),
    season=st.none() | st.integers(0, 99),
    episode=st.none() | st.integers(0, 99),
    comment_id=st.none() | st.integers(1, 2**40),
    read=st.integers(1, 3),
)


@given(REQUESTS, st.binary(max_size=300), st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3))
def test_a_page_is_read_as_it_was_put(request_, body, headers):
    headers = {name.lower(): text for name, text in headers.items() if "cookie" not in name.lower()}
    page = dataclasses.replace(
        one_page(request_, body, headers=headers), erased=(ErasedItem(3, 5, "0" * 16), ErasedItem(4, None, None))
    )
    assert decode(encode(page), "x") == page
    assert encode(page) == encode(decode(encode(page), "x"))


def test_requests_that_differ_have_keys_that_differ():
    ferry = PageRequest("l", "comments", FERRY, sort="oldest", page=1, limit=250)
    others = [
        dataclasses.replace(ferry, **change)
        for change in (
            {"load_id": "m"},
            {"title": TitleRef("show", FERRY.trakt_id)},
            {"sort": "newest"},
            {"page": 2},
            {"limit": 10},
            {"season": 1},
            {"season": 1, "episode": 1},
            {"read": 2},
            {"resource": "rating"},
        )
    ]
    assert len({request.key for request in (ferry, *others)}) == 10
    assert PageRequest("l", "comment", comment_id=5).key == "pages/l/comment/5/answer.json.gz"
    assert PageRequest("l", "rating", FERRY).key == "pages/l/rating/movie-612345/answer.json.gz"


def test_pages_of_one_list_are_listed_in_their_order(tmp_path: Path):
    pages = PageObjects(FileStore(str(tmp_path)))
    keys = [pages.put(comments_page("load-1", [], page=number)) for number in (2, 10, 1, 100)]
    pages.put(comments_page("load-2", []))
    assert list(pages.keys("load-1")) == [keys[2], keys[0], keys[1], keys[3]]
    assert [pages.get(key).request.page for key in pages.keys("load-1")] == [1, 2, 10, 100]
    assert list(pages.keys("load")) == []


@pytest.mark.parametrize("load_id", ["", "../up", "a/b", ".hidden", "x" * 101, "a\0b", "é", "a b"])
def test_an_id_of_a_load_that_could_name_another_place_is_refused(load_id: str):
    with pytest.raises(DataError, match="is not a load id"):
        PageRequest(load_id, "rating", FERRY)


def test_a_sort_that_could_name_another_place_is_refused():
    with pytest.raises(DataError):
        PageRequest("l", "comments", FERRY, sort="../../x")


def test_cookies_are_not_stored():
    page = one_page(PageRequest("l", "rating", FERRY), b"{}", headers={"Set-Cookie": "session=1", "etag": "W/1"})
    assert dict(decode(encode(page), "x").headers) == {"etag": "W/1"}


def test_the_body_is_legible_without_telecine():
    content = gzip.decompress(encode(one_page(PageRequest("l", "rating", FERRY), b'{"rating":7}')))
    about, _, body = content.partition(b"\n")
    assert (json.loads(about)["status"], body) == (200, b'{"rating":7}')


WHOLE = encode(comments_page("load-1", [{"id": 1}]))


# By name: a gzip file has the time of its writing, and workers of one run must collect the same tests.
DAMAGED = {
    "empty": lambda: b"",
    "not gzip": lambda: b"not gzip",
    "cut by a byte": lambda: WHOLE[:-1],
    "cut to the start": lambda: WHOLE[:20],
    "more after the end": lambda: WHOLE + b"more",
    "no header": lambda: gzip.compress(b"no header"),
    "an empty header": lambda: gzip.compress(b"{}\n"),
    "another version": lambda: gzip.compress(b'{"version": 2}\n'),
    "a list": lambda: gzip.compress(b"[]\n"),
    "80 MiB of zeros": lambda: gzip.compress(bytes(80 * 2**20)),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_object_is_an_error_that_names_it(damage: str):
    with pytest.raises(IntegrityError, match=r"s3://b/key is damaged or not a page object"):
        decode(DAMAGED[damage](), "s3://b/key")


def test_numbers_in_headers_are_read_only_if_they_are_numbers():
    headers = {"a": " 250 ", "b": "-1", "c": "ten", "d": "9" * 40, "e": "²"}
    page = one_page(PageRequest("l", "rating", FERRY), b"{}", headers=headers)
    assert [page.header_number(name) for name in (*"abcde", "f")] == [250, None, None, None, None, None]
