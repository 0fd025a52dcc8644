"""Texts as JSON: what json.dumps writes, since digests of keys are made of it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from jobs.viewership.keys.text import json_list
from jobs.viewership.matching.model import Candidate
from jobs.viewership.phases import match
from jobs.viewership.tables import keys

TEXTS = st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=20)), max_size=8)


@given(TEXTS)
def test_a_list_of_texts_is_written_like_json_dumps_writes_it(values: list[str | None]) -> None:
    assert json_list(values) == json.dumps(values, ensure_ascii=False)


@given(st.integers(), st.none() | st.text(), st.floats(0, 100), st.lists(st.sampled_from(["ID", "FUZZY"])))
def test_a_candidate_is_written_as_json(episode: int, ref: str | None, score: float, codes: list[str]) -> None:
    written = json.loads(match._candidate(Candidate(episode, ref, score, tuple(codes))))
    assert written == {"episode_id": episode, "ref_id": ref, "score": round(score, 2), "found_by": codes}


@given(st.lists(st.text('a",\\{} ', max_size=5), max_size=6))
def test_quotes_and_backslashes_in_arrays_are_escaped(texts: list[str]) -> None:
    body = keys._array(texts)
    assert (body[0], body[-1]) == ("{", "}")
    assert json.loads(f"[{body[1:-1]}]") == texts
