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
def test_any_valid_object_is_returned_unchanged(document: dict) -> None:
    assert parse_metadata(json.dumps(document).encode()) == document
    assert parse_metadata(json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8-sig")) == document


@given(content=st.binary(max_size=200) | st.text('{}[]":,0123456789eE.-NaInfity\\u tru', max_size=60).map(str.encode))
def test_noise_is_a_typed_error_or_an_object(content: bytes) -> None:
    try:
        document = parse_metadata(content)
    except ItemError as error:
        assert error.code == "metadata_invalid"  # noqa: PT017  either outcome is valid
    else:
        assert isinstance(document, dict)
        json.dumps(document, allow_nan=False, ensure_ascii=False).encode()


def test_metadata_of_the_recorder_is_parsed() -> None:
    assert parse_metadata(metadata_json())["game_exe"] == "game.exe"


def test_numbers_are_integers_of_40_digits_and_floats_of_any_length() -> None:
    document = parse_metadata(b'{"a": ' + b"9" * 40 + b', "b": 0.' + b"3" * 5000 + b', "c": 1e-999, "d": 1e2}')
    assert document == {"a": 10**40 - 1, "b": 1 / 3, "c": 0.0, "d": 100.0}
    assert [type(value) for value in document.values()] == [int, float, float, float]


@pytest.mark.parametrize("depth", [32, 33])
def test_32_levels_are_read(depth: int) -> None:
    content = b'{"a":' * depth + b"1" + b"}" * depth
    if depth == 32:
        assert parse_metadata(content)
    else:
        with pytest.raises(ItemError, match="32 levels"):
            parse_metadata(content)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"", "line 1", id="empty"),
        pytest.param(b"[1]", "a JSON list", id="list"),
        pytest.param(b"null", "NoneType", id="null"),
        pytest.param(b'{"a": NaN}', "NaN", id="NaN"),
        pytest.param(b'{"a": -Infinity}', "-Infinity", id="infinity"),
        pytest.param(b'{"a": 1e999}', "1e999", id="overflow"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", "5000 .*at most 40", id="huge integer"),
        pytest.param(b'{"a": ' + b"9" * 41 + b"}", "41 .*at most 40", id="integer of 41 digits"),
        pytest.param(b'{"a": -' + b"9" * 5000 + b"e999}", "-9{39},", id="long overflow"),
        pytest.param(b'{"a": 1, "b": {"c": 1, "c": 2}}', "'c' ", id="repeated key"),
        pytest.param(b'{"a": "\\ud800"}', "surrogate", id="lone surrogate"),
        pytest.param(b'{"a": "\xff"}', "UTF-8 at byte 7", id="not UTF-8"),
        pytest.param(b'{"a":' * 40 + b"1" + b"}" * 40, "32 levels", id="deep"),
        pytest.param(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "32 levels", id="very deep"),
        pytest.param(b'{"a": "' + b"x" * MAX_METADATA + b'"}', "limit of 1000000", id="large"),
        pytest.param(b'{"a": 1} trailing', "Extra data", id="trailing"),
    ],
)
def test_invalid_metadata_is_rejected(content: bytes, says: str) -> None:
    with pytest.raises(ItemError, match=says) as caught:
        parse_metadata(content)
    assert caught.value.code == "metadata_invalid"
