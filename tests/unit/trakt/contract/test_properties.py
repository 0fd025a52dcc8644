"""Any bytes and any JSON value are checked without an exception, and what was validated is what is stored."""

from __future__ import annotations

import copy
import json
import math
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example as with_example
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from jobs.trakt.contract.check import check
from jobs.trakt.contract.document import document
from jobs.trakt.contract.resources import OBJECTS, RESOURCES, Field
from jobs.trakt.errors import ANSWER_CODES, ITEM_CODES, NOTE_CODES
from tests.trakt_answers import comment, encode, example, feed_item

if TYPE_CHECKING:
    from jobs.trakt.contract.checked import Checked

# Surrogates on purpose: json.loads makes half ones of escapes.
TEXT = st.text(st.characters(codec=None, categories=("L", "N", "P", "S", "Z", "Cc", "Cs")), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.sampled_from([2**63, 2**64, -(2**63), 10**400]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
NAMES = sorted({field.name for fields in OBJECTS.values() for field in fields})
# Objects with the contract's names and any values reach further than objects of any names.
NEAR = st.recursive(JSON, lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, max_size=8), max_leaves=12)


def sound(found: Checked, count: int | None) -> None:
    """Fail unless each item is accepted or refused once, codes are known, and payloads are storable."""
    if found.failure is not None:
        assert found.failure.code in ANSWER_CODES
        assert (found.items, found.bad) == ([], [])
        return
    indexes = sorted([item.index for item in found.items] + [bad.index for bad in found.bad if bad.index is not None])
    assert indexes == list(range(len(indexes)))
    assert count in (None, len(indexes))
    for item in found.items:
        payload = item.payload.decode()
        assert json.loads(payload) == item.value
        assert not re.search("[\ud800-\udfff]", payload)
        assert set(item.notes) <= NOTE_CODES.keys()
        json.loads(payload, parse_constant=pytest.fail)
    for bad in found.bad:
        assert bad.code in ITEM_CODES
        assert bad.path.startswith("/")
        for text in (bad.path, bad.message, bad.raw):
            assert "\0" not in text
            text.encode()
    for name, code in found.notes:
        assert name in NOTE_CODES
        code.encode()


@pytest.mark.parametrize("resource", RESOURCES)
@given(body=st.binary(max_size=200))
def test_any_bytes_are_checked(resource: str, body: bytes):
    sound(check(resource, body), None)


@given(body=st.data())
def test_any_damage_to_a_page_is_checked(body: st.DataObject):
    page = encode([comment(), feed_item(), comment(id=3)])
    start = body.draw(st.integers(0, len(page)))
    end = body.draw(st.integers(start, min(len(page), start + 20)))
    filling = body.draw(
        st.binary(max_size=8) | st.sampled_from([b"\\u0000", b"\\ud800", b"NaN", b"1e999", b"\xed\xa0\x80"])
    )
    sound(check("comment", page[:start] + filling + page[end:]), None)


@pytest.mark.parametrize("resource", RESOURCES)
@given(value=NEAR)
@with_example(value=[math.nan])
@with_example(value=[{"comment": {}, "type": []}])
def test_any_json_value_is_checked(resource: str, value: Any):
    sound(check(resource, value), None)
    sound(check(resource, [value, value], single=False), 2)


def time_holds(text: Any) -> bool:
    """Return whether a text is a time by the contract's words, without its pattern."""
    if not isinstance(text, str):
        return True
    parts = re.fullmatch(
        r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?(?:Z|([+-])([0-9]{2}):([0-9]{2}))", text
    )
    if parts is None:
        return False
    try:
        local = datetime.fromisoformat(parts[1])
    except ValueError:
        return False
    if parts[3] is None:
        return True
    hours, minutes = int(parts[4]), int(parts[5])
    return hours < 24 and minutes < 60 and 1 < local.year < 9999 and bool(timedelta(hours=hours) >= timedelta())


def date_holds(text: Any) -> bool:
    if not isinstance(text, str):
        return True
    try:
        return re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is not None and bool(datetime.fromisoformat(text))
    except ValueError:
        return False


def independent(resource: str) -> Draft202012Validator:
    """Return the published schema in another implementation, with times read by Python instead of a pattern."""
    checker = FormatChecker(formats=())
    checker.checks("date-time")(time_holds)
    checker.checks("date")(date_holds)
    schema = json.loads(json.dumps(document(resource)), object_hook=without_pattern)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=checker)


def without_pattern(node: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name != "pattern"}


VALIDATORS = {resource: independent(resource) for resource in RESOURCES}
TIMES = st.one_of(
    st.from_regex(
        r"(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,3})?(Z|[+-][0-2][0-9]:[0-6][0-9])?",
        fullmatch=True,
    ),
    st.sampled_from(
        ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59Z", "2026-05-02T00:00:00Z\n"]
    ),
)
VALUES = (
    st.sampled_from(
        [None, True, False, 0, 1, -1, 10, 11, 1.5, 2**63 - 1, 2**63, 2**64, "", "a", [], {}, ["a"], {"a": 1}]
    )
    | TIMES
    | st.text(max_size=5)
)


@st.composite
def mutated(draw: st.DrawFn, resource: str) -> Any:
    """Return a valid item with a few values replaced, removed or added at any depth."""
    item = draw(
        st.sampled_from(
            [
                example(resource),
                *([feed_item(kind) for kind in ("movie", "season", "episode")] if resource == "comment" else []),
            ]
        )
    )
    for _ in range(draw(st.integers(0, 3))):
        node = item
        while True:
            inner = [value for value in node.values() if isinstance(value, dict)]
            if not inner or draw(st.booleans()):
                break
            node = draw(st.sampled_from(inner))
        name = draw(st.sampled_from([*node, *NAMES[::7], "new"]))
        if draw(st.booleans()):
            node[name] = copy.deepcopy(draw(VALUES))
        else:
            node.pop(name, None)
    return item


@pytest.mark.parametrize("resource", RESOURCES)
@settings(max_examples=60)
@given(data=st.data())
def test_another_implementation_accepts_and_refuses_the_same_items(resource: str, data: st.DataObject):
    item = data.draw(mutated(resource))
    found = check(resource, encode([item]), single=False)
    assert found.failure is None
    assert bool(found.items) == VALIDATORS[resource].is_valid(item), (item, found.bad)


@pytest.mark.parametrize("resource", RESOURCES)
@settings(max_examples=60)
@given(data=st.data())
def test_the_closed_schema_accepts_exactly_the_valid_items_without_unknown_fields(resource: str, data: st.DataObject):
    item = data.draw(mutated(resource))
    closed = Draft202012Validator(document(resource, closed=True), format_checker=VALIDATORS[resource].format_checker)
    found = check(resource, encode([item]), single=False)
    usual = bool(found.items) and not found.unknown and "UNKNOWN_TYPE" not in found.items[0].notes
    assert closed.is_valid(item) == usual


def test_the_table_has_no_field_twice_and_every_bound_that_a_kind_needs():
    for name, fields in OBJECTS.items():
        assert len({field.name for field in fields}) == len(fields), name
        assert [field for field in fields if not bounded(field)] == []


def bounded(field: Field) -> bool:
    if field.kind in ("integer", "integers", "number"):
        return field.minimum is not None and field.maximum is not None
    if field.kind == "text":
        return field.maximum is not None
    return field.object in OBJECTS if field.kind in ("object", "objects") else True
