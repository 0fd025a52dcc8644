"""Paths are made of literals and ids; a name from outside cannot leave its place in one."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jobs.trakt.api import resources
from jobs.trakt.model import TitleRef

MOVIE, SHOW = TitleRef("movie", 1001), TitleRef("show", 24)


def test_each_resource_has_its_path():
    assert [
        resources.title_comments(MOVIE),
        resources.title_comments(SHOW, "likes"),
        resources.ratings(SHOW),
        resources.summary(MOVIE),
        resources.comment(5),
        resources.replies(5),
        resources.feed(),
        resources.feed("recent", "reviews", "movies"),
        resources.lookup("show", "tt0903747"),
    ] == [
        "/movies/1001/comments/oldest",
        "/shows/24/comments/likes",
        "/shows/24/ratings",
        "/movies/1001",
        "/comments/5",
        "/comments/5/replies",
        "/comments/updates/all/all",
        "/comments/recent/reviews/movies",
        "/shows/tt0903747",
    ]


@given(st.text(max_size=210))
def test_a_name_from_outside_is_one_segment_or_refused(name):
    assume(not any("\ud800" <= each <= "\udfff" for each in name))
    try:
        path = resources.lookup("movie", name)
    except ValueError:
        assert not name.strip(". ") or len(name) > 200
        return
    assert path.startswith("/movies/")
    assert path.count("/") == 2
    assert not set(path) & set("?# \r\n\\")
    assert unquote(path.removeprefix("/movies/")) == name


@pytest.mark.parametrize("word", ["", "../x", "old est", "a/b", "a?b"])
def test_a_sort_that_is_not_a_word_is_refused(word):
    with pytest.raises(ValueError, match="expected a word such as oldest"):
        resources.title_comments(MOVIE, word)
