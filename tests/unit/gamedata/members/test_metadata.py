from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.gamedata.members.metadata import MAX_METADATA, parse_metadata
from shared.errors import ItemError
from tests.tars import metadata_json

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
OBJECTS = st.dictionaries(
    st.text(), st.recursive(SCALARS, lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=8)
)


@given(document=OBJECTS)
def test_any_sane_object_comes_back_as_it_is(document: dict) -> None:
    assert parse_metadata(json.dumps(document).encode()) == document
    assert parse_metadata(json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8-sig")) == document


@given(content=st.binary(max_size=200) | st.text('{}[]":,0123456789eE.-NaInfity\\u tru', max_size=60).map(str.encode))
def test_noise_is_a_typed_error_or_an_object(content: bytes) -> None:
    try:
        document = parse_metadata(content)
    except ItemError as error:
        assert error.code == "metadata_invalid"  # noqa: PT017  either outcome is right
    else:
        assert isinstance(document, dict)
        json.dumps(document, allow_nan=False, ensure_ascii=False).encode()


def test_what_the_recorder_writes() -> None:
    assert parse_metadata(metadata_json())["game_exe"] == "game.exe"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"", "line 1", id="empty"),
        pytest.param(b"[1]", "a JSON list", id="list"),
        pytest.param(b"null", "NoneType", id="null"),
        pytest.param(b'{"a": NaN}', "NaN", id="NaN"),
        pytest.param(b'{"a": -Infinity}', "-Infinity", id="infinity"),
        pytest.param(b'{"a": 1e999}', "out of range", id="overflow"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", "5000 digits", id="huge integer"),
        pytest.param(b'{"a": 1, "b": {"c": 1, "c": 2}}', "'c' stands twice", id="repeated key"),
        pytest.param(b'{"a": "\\ud800"}', "surrogate", id="lone surrogate"),
        pytest.param(b'{"a": "\xff"}', "no UTF-8 at byte 7", id="no UTF-8"),
        pytest.param(b'{"a":' * 40 + b"1" + b"}" * 40, "32 levels", id="deep"),
        pytest.param(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "32 levels", id="very deep"),
        pytest.param(b'{"a": "' + b"x" * MAX_METADATA + b'"}', "at most 1000000", id="large"),
        pytest.param(b'{"a": 1} trailing', "Extra data", id="trailing"),
    ],
)
def test_what_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(ItemError, match=says) as caught:
        parse_metadata(content)
    assert caught.value.code == "metadata_invalid"
