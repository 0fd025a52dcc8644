from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.screenalytics.errors import Rejected, reject
from shared.strict_json import MAX_DEPTH, MAX_VALUES, parse

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
DOCUMENTS = st.recursive(SCALARS, lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=8)


def load(body: bytes) -> Any:
    return parse(body, what="the manifest", code="MANIFEST_PARSE", reject=reject)


def refused(body: bytes) -> Rejected:
    with pytest.raises(Rejected) as caught:
        load(body)
    return caught.value


@given(document=DOCUMENTS)
def test_any_sane_document_comes_back_with_exact_numbers(document: Any) -> None:
    for body in (json.dumps(document).encode(), json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8-sig")):
        assert load(body) == json.loads(body.decode("utf-8-sig"), parse_float=Decimal)


@given(content=st.binary(max_size=200) | st.text('{}[]":,0123456789eE.-NaInfity\\u tru', max_size=60).map(str.encode))
def test_noise_is_a_typed_error_or_what_json_says(content: bytes) -> None:
    try:
        document = load(content)
    except Rejected as error:
        assert error.kind == "permanent"  # noqa: PT017  either outcome is right
    else:
        assert document == json.loads(content.decode("utf-8-sig"), parse_float=Decimal)


@given(number=st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=6))
def test_a_number_keeps_the_digits_of_its_text(number: Decimal) -> None:
    found = load(f'{{"x": {number:f}}}'.encode())["x"]
    assert isinstance(found, Decimal | int)
    assert Decimal(found) == number


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        pytest.param(b"", "MANIFEST_PARSE", "offset 0", id="case 8: empty"),
        pytest.param(b'{"a": 1, ]', "MANIFEST_PARSE", "offset 9", id="case 8: invalid"),
        pytest.param(b'{"a": [1, 2', "MANIFEST_PARSE", "offset 11", id="case 8: cut short"),
        pytest.param('{"a": "é'.encode()[:-1], "MANIFEST_PARSE", "middle of a character", id="case 8: cut in a letter"),
        pytest.param(b"name,seconds\nAna,4.2\n", "MANIFEST_PARSE", "offset 0", id="case 8: CSV"),
        pytest.param('{"a": 1}'.encode("utf-16"), "ENCODING", "utf-16", id="case 9: UTF-16"),
        pytest.param('{"a": 1}'.encode("utf-16-le"), "ENCODING", "utf-16-le", id="case 9: UTF-16 without a mark"),
        pytest.param('{"a": 1}'.encode("utf-32-be"), "ENCODING", "utf-32-be", id="case 9: UTF-32"),
        pytest.param(b'{"a": "\xff"}', "ENCODING", "byte 7", id="case 9: no UTF-8"),
        pytest.param(b'{"a": "\xed\xa0\x80"}', "ENCODING", "byte 7", id="case 9: a surrogate in UTF-8"),
        pytest.param(b'{"a": "\\ud800"}', "ENCODING", "surrogate", id="case 9: a lone surrogate"),
        pytest.param(b'{"a": {"b": 1, "c": 2, "b": 1}}', "DUPLICATE_KEY", "'b' more than once", id="case 10"),
        pytest.param(b'{"a": NaN}', "NON_FINITE", "NaN", id="case 11: NaN"),
        pytest.param(b'{"a": -Infinity}', "NON_FINITE", "-Infinity", id="case 11: infinity"),
        pytest.param(b'{"a": 1e999}', "NON_FINITE", "1e999", id="case 11: 1e999"),
        pytest.param(b'{"a": 1e-999}', "NON_FINITE", "1e-999", id="case 11: 1e-999"),
        pytest.param(
            b'{"a": 1e-9999999999999999999999}', "NON_FINITE", "range", id="case 11: nearer to 0 than Decimal"
        ),
        pytest.param(b'{"a": 1e9999999999999999999999}', "NON_FINITE", "range", id="case 11: beyond Decimal"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", "OUT_OF_RANGE", "5000 characters", id="case 12: 5000 digits"),
        pytest.param(b'{"a": 0.' + b"9" * 5000 + b"}", "OUT_OF_RANGE", "5002 characters", id="case 12: 5000 decimals"),
        pytest.param(b'{"a":' * 40 + b"1" + b"}" * 40, "TOO_DEEP", "32 levels", id="case 12: 40 levels"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, "TOO_DEEP", "32 levels", id="case 12: 100,000 levels"),
        pytest.param(b"[" + b"[]," * MAX_VALUES + b"[]]", "TOO_MANY", "1,000,000", id="case 23: a million lists"),
    ],
)
def test_what_is_refused(body: bytes, code: str, says: str) -> None:
    error = refused(body)
    assert error.code == code
    assert says in error.message
    assert len(error.message) < 300


def test_case_9_a_byte_order_mark_is_passed_over() -> None:
    assert load('\ufeff{"a": 1}'.encode()) == {"a": 1}


def test_the_deepest_valid_document() -> None:
    assert load(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH) is not None
    assert refused(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)).code == "TOO_DEEP"


def test_a_repeated_key_among_many_is_found_soon() -> None:
    body = ("{" + ",".join(f'"{number}":0' for number in range(100_000)) + ',"99999":0}').encode()
    assert refused(body).data["actual"] == "99999"


def test_floats_are_doubles_of_any_length() -> None:
    def floats(body: bytes) -> Any:
        return parse(body, what="the manifest", code="MANIFEST_PARSE", reject=reject, floats=True, max_digits=3)

    found = floats(b"[1.5, 1e-999, 0.3333333333, 999]")
    assert found == [1.5, 0.0, 0.3333333333, 999]
    assert [type(value) for value in found] == [float, float, float, int]
    for body, code in ((b"[1e999]", "NON_FINITE"), (b"[1000]", "OUT_OF_RANGE"), (b"[-100]", "OUT_OF_RANGE")):
        with pytest.raises(Rejected) as caught:
            floats(body)
        assert caught.value.code == code


def test_zero_with_any_exponent_is_zero() -> None:
    assert load(b"[0e5, -0.0, 0.00, 0e99999999999999999999]") == [0, 0, 0, 0]


def test_the_smallest_and_the_largest_double() -> None:
    assert load(b"[5e-324, 1.7976931348623157e308]") == [Decimal("5e-324"), Decimal("1.7976931348623157e308")]
    assert refused(b"[1.8e308]").code == "NON_FINITE"
