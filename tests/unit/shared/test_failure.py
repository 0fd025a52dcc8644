from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import EndpointUnreachable, ItemError
from shared.failure import Failure
from shared.text import clean_data, clean_item, clean_text

anything = st.text(st.characters(exclude_categories=())) | st.text(max_size=20).map(lambda text: text * 500)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | anything | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=())), inner),
    max_leaves=30,
)


@given(anything, st.integers(1, 3000))
def test_text_fits_a_column(text: str, limit: int):
    clean = clean_text(text, limit)
    assert len(clean) <= limit
    assert "\0" not in clean
    clean.encode()
    assert clean_text(clean, limit) == clean


@given(anything)
def test_items_fit_an_index_entry(text: str):
    clean = clean_item(text)
    assert len(clean.encode()) <= 1024
    assert clean_item(clean) == clean


def test_long_items_stay_apart():
    assert clean_item("x" * 2000 + "a") != clean_item("x" * 2000 + "b")
    assert clean_item("é/" * 300) == "é/" * 300


@given(values)
def test_data_is_jsonb(value: object):
    document = json.dumps(clean_data(value), allow_nan=False)
    assert "\\u0000" not in document
    document.encode()


def test_data_is_bounded():
    deep: object = "leaf"
    for _ in range(500):
        deep = [deep]
    assert len(json.dumps(clean_data(deep))) < 2500
    assert len(clean_data(list(range(1000)))) == 50
    assert clean_data({"n": 10**400})["n"].startswith("1000")
    assert clean_data({2, 1}) == [1, 2]


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://user:hush@host/db",
        "connection failed: password=hush host=x",
        "{'aws_secret_access_key': 'hush'}",
        "X-Amz-Signature=hush&x=1",
        "Authorization: Bearer hush",
    ],
)
def test_secrets_are_hidden(text: str):
    assert "hush" not in Failure("item", "code", text).message
    assert "hush" not in json.dumps(Failure("item", "code", "m", data={"text": text, "password": "hush"}).as_json())


def test_of_a_typed_error_keeps_its_facts():
    error = ItemError("no member is a video", code="video_missing", members=3)
    failure = Failure.of("a.tar", error, attempt=2, input_hash="etag", artifact_key="screentime")
    assert failure.as_json() == {
        "members": 3,
        "artifact_key": "screentime",
        "code": "video_missing",
        "item": "a.tar",
        "message": "no member is a video",
        "retryable": False,
        "attempt": 2,
        "at": failure.at.isoformat(),
        "input_hash": "etag",
    }
    assert Failure.of("a.tar", EndpointUnreachable("gone")).retryable


def test_of_any_other_error():
    failure = Failure.of("a.tar", ValueError("bad\0"))
    assert (failure.code, failure.retryable) == ("internal", False)
    assert failure.message.startswith("ValueError: bad")


def test_facts_do_not_replace_the_fixed_fields():
    assert Failure("a", "right", "m", data={"code": "wrong", "item": "wrong"}).as_json()["code"] == "right"


def test_pickles():
    failure = Failure("a", "b", "c", data={"k": 1})
    assert pickle.loads(pickle.dumps(failure)) == failure
