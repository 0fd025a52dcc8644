"""The query string of a list: any text is a state or a 400 that names what is valid."""

from __future__ import annotations

import base64
import json
import time
from datetime import date  # noqa: TC003 - pydantic resolves it
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import model_validator

from jobs.console.errors import BadQuery
from jobs.console.web.listing import Facet, Listing, Order, Term
from jobs.console.web.paging import _decode, cursor_of, facet
from jobs.console.web.query import ListQuery, Text, parse


class Query(ListQuery):
    q: Text | None = None
    status: Literal["good", "bad"] | None = None
    flag: bool | None = None
    number: int | None = None
    day: date | None = None
    sort: Literal["", "newest", "oldest"] = ""

    @model_validator(mode="after")
    def _together(self) -> Query:
        if self.flag and self.number == 13:
            raise ValueError("flag and number 13 exclude each other")
        return self


def problems(*pairs: tuple[str, str]) -> tuple[str, ...]:
    with pytest.raises(BadQuery) as caught:
        parse(Query, pairs)
    assert caught.value.status == 400
    return caught.value.problems


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([("statsu", "good")], "'statsu' is not a parameter of this page; did you mean status?"),
        ([("zzz", "")], "expected one of after, day, flag, limit, number, q, sort, status"),
        ([("q", "a"), ("q", "b")], "'q' is given twice"),
        ([("status", "Good")], "status='Good' is not valid; expected one of good, bad"),
        ([("flag", "maybe")], "expected one of true, false"),
        ([("sort", "random")], "expected one of newest, oldest"),
        ([("limit", "0")], "limit='0' is not valid; expected greater than or equal to 1"),
        ([("limit", "201")], "less than or equal to 200"),
        ([("day", "2026-13-01")], "day='2026-13-01' is not valid; expected a day such as 2026-01-31"),
        ([("limit", "1e3")], "valid integer"),
        ([("q", "a\0b")], "expected text without control characters"),
        ([("q", "a" * 201)], "at most 200 characters"),
        ([("after", "a b")], "after='a b' is not valid"),
        ([("flag", "true"), ("number", "13")], "flag and number 13 exclude each other"),
    ],
)
def test_a_bad_query_names_what_is_valid(pairs, said):
    assert any(said in problem for problem in problems(*pairs)), problems(*pairs)


def test_empty_values_of_a_form_are_absent():
    assert parse(Query, [("q", ""), ("status", " "), ("q", "x"), ("limit", "")]) == Query(q="x")


def test_thousands_of_parameters_cost_nothing():
    began = time.monotonic()
    assert problems(*((f"stat{number}", "x") for number in range(10_000))) == (
        "the URL has 10,000 parameters; expected at most 64",
    )
    assert len(problems(*((f"stat{number}", "x") for number in range(64)))) == 8
    assert len(problems(("s" * 30_000, "x"))[0]) < 300
    assert time.monotonic() - began < 2


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from([*Query.model_fields, "x"]) | st.text(), st.text() | st.just("1"))))
def test_any_parameters_are_a_state_whose_url_is_the_same_state_or_a_bad_query(pairs):
    try:
        found = parse(Query, pairs)
    except BadQuery:
        return
    assert parse(Query, parse_qsl(urlsplit(found.url("/x", after=found.after)).query)) == found


ORDER = Order(
    "newest",
    "",
    (Term("at", "timestamptz", True), Term("n", "bigint"), Term("f", "double precision"), Term("k", "text")),
)
GOOD = ["newest", "2026-11-30 10:00:00.5+00", "-5", "NaN", "key"]


def cursor(keys: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(keys).encode()).decode().rstrip("=")


def test_a_cursor_is_read_back():
    assert [str(key) for key in _decode(cursor(GOOD), ORDER)] == [
        "2026-11-30 10:00:00.500000+00:00",
        "-5",
        "nan",
        "key",
    ]


@pytest.mark.parametrize(
    "keys",
    [
        *(None, 1, {}, "text", [], [["newest"]], ["newest"], GOOD[:-1], [*GOOD, "x"], ["oldest", *GOOD[1:]]),
        *([*GOOD[:4], bad] for bad in ("\0", "\ud800", 1, None)),
        *([*GOOD[:2], bad, *GOOD[3:]] for bad in (str(2**63), "9" * 5_000, "1.5", "", "one")),
        ["newest", "yesterday", *GOOD[2:]],
        [*GOOD[:3], "one", "key"],
    ],
)
def test_what_is_no_cursor_of_this_order_is_a_bad_query(keys):
    with pytest.raises(BadQuery, match="is not a cursor of this order"):
        _decode(cursor(keys), ORDER)


@given(
    st.text(alphabet="ABCxyz019_-", max_size=60)
    | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode())
)
def test_any_text_is_a_cursor_or_a_bad_query(text):
    with pytest.raises(BadQuery):
        _decode(text, ORDER)


def test_deep_json_is_no_cursor():
    with pytest.raises(BadQuery):
        _decode(base64.urlsafe_b64encode(b"[" * 7_000).decode(), ORDER)


@pytest.mark.parametrize("key", ["\u00fc" * 512, "\u674e" * 341, '"\\' * 512, "\x01" * 1_024])
def test_the_longest_keys_make_a_cursor_that_the_page_takes(key):
    order = Order("newest", "", (Term("k", "text"),))
    text = cursor_of(order, type("Row", (), {"key_0": key})())
    assert _decode(parse(Query, [("after", text)]).after, order) == [key]


def test_a_chosen_value_of_a_facet_is_marked_whatever_its_type():
    rows = [type("Row", (), {"value": value, "number": 1, "total": 2})() for value in ("13", "true")]
    database = type("Database", (), {"rows": lambda *_, **__: rows})()
    listing = Listing("/x", "", "", "", (), (ORDER,), lambda _: [])
    assert [each.chosen for each in facet(database, listing, Facet("number", "n"), Query(number=13))] == [True, False]
    assert [each.chosen for each in facet(database, listing, Facet("flag", "f"), Query(flag=True))] == [False, True]
