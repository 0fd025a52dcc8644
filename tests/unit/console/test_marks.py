"""Differences of two texts, character by character."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.console.web.marks import alike, marked

TEXTS = st.text(max_size=250)


@given(TEXTS, TEXTS)
def test_the_pieces_are_the_texts_and_their_equal_parts_are_equal(one: str, other: str):
    left, right = marked(one, other)
    assert ("".join(piece.text for piece in left), "".join(piece.text for piece in right)) == (one, other)
    same = [[piece.text for piece in side if not piece.differs] for side in (left, right)]
    assert "".join(same[0]) == "".join(same[1])
    assert (one == other) == (not any(piece.differs for piece in (*left, *right)))


def test_only_differing_characters_are_marked():
    left, right = marked("The Quiet Harvst", "The Quiet Harvest")
    assert [piece for piece in left if piece.differs] == []
    assert [piece.text for piece in right if piece.differs] == ["e"]


@given(TEXTS)
def test_a_text_is_alike_to_itself_in_any_case(text: str):
    assert alike(text, text) == 1
    assert 0 <= alike(text, "zzz") <= 1
