"""Ids and counts of an answer, whatever its items are."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from jobs.trakt.api.answer import Answer
from jobs.trakt.contract.parse import Unreadable
from jobs.trakt.ingest.listing import read_list
from jobs.trakt.model import TitleRef
from tests.trakt_answers import comment

NOW = datetime(2026, 5, 4, tzinfo=UTC)


def answer(value: Any, **headers: str) -> Answer:
    return Answer(
        200, {name.replace("_", "-"): text for name, text in headers.items()}, json.dumps(value).encode(), NOW, NOW
    )


def test_bare_and_wrapped_comments_have_their_ids_and_subjects():
    wrapped = {"type": "movie", "movie": {"ids": {"trakt": 7}}, "comment": comment(id=2)}
    episode = {"type": "episode", "show": {"ids": {"trakt": 8}}, "episode": {}, "comment": comment(id=3)}
    found = read_list(answer([comment(id=1), wrapped, episode]))
    assert [(each.id, each.ref, each.about) for each in found.entries] == [
        (1, None, None),
        (2, TitleRef("movie", 7), "movie"),
        (3, TitleRef("show", 8), "episode"),
    ]


def test_items_without_an_id_are_counted_and_left_out():
    strange = [None, 5, [], {}, {"id": None}, {"id": True}, {"id": -1}, {"id": 2**64}, {"comment": {"id": "1"}}]
    found = read_list(answer([*strange, comment(id=9)]))
    assert (found.rows, found.facts.ids) == (10, (9,))


def test_counts_come_from_the_headers_and_times_from_the_items():
    stated = {"x_pagination_page": "2", "x_pagination_limit": "250", "x_pagination_page_count": "3"}
    found = read_list(answer([comment(created_at="A", updated_at=None)], **stated, x_pagination_item_count="nonsense"))
    assert (found.facts.page, found.facts.limit, found.facts.page_count, found.facts.item_count) == (2, 250, 3, None)
    assert (found.facts.created, found.by_update.created) == (("A",), ("A",))


@pytest.mark.parametrize("value", [{}, "text", None, 3])
def test_an_answer_that_is_not_a_list_is_unreadable(value):
    with pytest.raises(Unreadable):
        read_list(answer(value))
