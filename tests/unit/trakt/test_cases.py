"""The given cases that concern the contract: what is accepted, refused and flagged is as their ``right`` says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.trakt.contract.check import check, trakt_rating
from tests.trakt_answers import comment, encode

CASES = Path(__file__).parents[2] / "trakt_cases"


def case(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    found = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    return found["input"], found["right"]


def test_a_page_of_html_is_not_json_and_has_no_rows():
    given, right = case("200-html")
    found = check("comment", given["body"].encode())
    assert found.failure is not None
    assert (found.failure.code, len(found.items)) == (right["reason"], right["rows"])
    assert found.failure.raw == given["body"]


def test_no_row_is_taken_from_a_body_that_was_cut():
    given, right = case("truncated-body")
    body = encode([comment(id=number) for number in range(1, 20)])
    found = check("comment", body[: given["bytes_sent"]])
    assert found.failure is not None
    assert (found.failure.code, len(found.items), found.bad) == ("NOT_JSON", right["rows_from_the_cut_body"], [])


def test_two_versions_of_an_edited_comment_are_two_payloads():
    given, right = case("edited-comment")
    found = check("comment", encode(given["versions"]))
    assert (found.bad, len({item.payload for item in found.items})) == ([], right["history_rows"])
    assert found.items[1].value["comment"] == right["silver_body"]


def test_nul_is_stored_as_received_and_named():
    given, right = case("nul-in-text")
    assert right["bronze_payload"] == "as received"
    found = check("comment", encode([comment(comment=given["comment"])]))
    assert found.items[0].value["comment"] == given["comment"]
    assert rb"good\u0000film one two three" in found.items[0].payload
    assert (found.items[0].notes, found.notes["NUL_IN_TEXT", "/"]) == (("NUL_IN_TEXT",), 1)


def test_one_bad_item_costs_only_itself():
    given, right = case("one-bad-item")
    found = check("comment", encode(given["items"]))
    assert (len(found.items), found.failure) == (right["bronze_rows"], None)
    assert [{"index": bad.index, "path": bad.path, "error": bad.code} for bad in found.bad] == right["dead_letters"]
    assert [item.index for item in found.items] == [0, 2]


@pytest.mark.parametrize("name", ["private-user", "updated-before-created"])
def test_an_unusual_comment_is_valid(name: str):
    given, right = case(name)
    found = check("comment", encode([given["item"]]))
    assert right["valid"] is True
    assert (found.items[0].value, found.items[0].notes, found.bad) == (given["item"], (), [])


def test_a_distribution_has_the_keys_1_to_10_and_no_0():
    given, right = case("ratings-no-zero-key")
    found = check("rating", encode(given))
    assert right["valid"] is True
    assert (len(found.items), found.bad, found.unknown) == (1, [], {})
    zero = check("rating", encode({"distribution": {**given["distribution"], "0": 0}}))
    assert (len(zero.items), dict(zero.unknown)) == (1, {"/distribution/0": 1})


def test_both_shapes_of_a_rating_are_read():
    given, right = case("ratings-shapes")
    found = [check("rating", encode(answer)) for answer in given["answers"]]
    assert sum(len(each.items) for each in found) == right["rows"]
    assert [each.bad for each in found] == [[], []]
    first, second = (each.items[0].value for each in found)
    assert trakt_rating(first) is first
    assert trakt_rating(second) is second[right["second_is_read_from"]]


def test_times_are_accepted_refused_or_flagged():
    given, right = case("timestamps")
    now = datetime(2026, 11, 28, tzinfo=UTC)
    times = [value.removesuffix(" (in the future)") for value in given["values"]]
    found = check("comment", encode([comment(created_at=value) for value in times]), now=now)
    assert [item.index for item in found.items if not item.notes] == right["accepted"]
    assert [bad.index for bad in found.bad] == right["dead_letter"]
    assert [item.index for item in found.items if item.notes] == right["accepted_flagged_out_of_range"]
    assert {(bad.code, bad.path) for bad in found.bad} == {("TIME_INVALID", "/created_at")}
    assert found.notes == {("TIME_OUT_OF_RANGE", "/created_at"): 3}
