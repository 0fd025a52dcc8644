"""Items are accepted as they will be stored, refused with a code and a path, or flagged; nothing is lost unseen."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from jobs.trakt.contract.check import check
from jobs.trakt.contract.checked import RAW_CHARS, Checked
from jobs.trakt.contract.resources import RESOURCES
from jobs.trakt.errors import ANSWER_CODES, ITEM_CODES, NOTE_CODES
from tests.trakt_answers import comment, encode, example, feed_item

if TYPE_CHECKING:
    from collections.abc import Callable

DROP = ...


def one(item: Any, resource: str = "comment") -> Checked:
    return check(resource, encode(item), single=True)


def verdict(item: Any, resource: str = "comment") -> tuple[str, str] | None:
    """Return code and path of the refusal of an item; None if it is accepted."""
    found = one(item, resource)
    assert found.failure is None
    assert len(found.items) + len(found.bad) == 1
    return (found.bad[0].code, found.bad[0].path) if found.bad else None


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_usual_item_is_accepted_and_has_nothing_to_count(resource: str):
    item = example(resource)
    found = check(resource, encode([item] if RESOURCES[resource].many else item))
    assert [each.value for each in found.items] == [item]
    assert (found.bad, found.unknown, found.notes, found.failure) == ([], {}, {}, None)


@pytest.mark.parametrize("kind", ["movie", "show", "season", "episode", "list"])
def test_a_feeds_item_is_accepted_with_its_subject(kind: str):
    found = one(feed_item(kind))
    assert (found.items[0].value["type"], found.bad, found.unknown) == (kind, [], {})


def test_the_payload_is_the_value_in_sorted_compact_utf_8():
    found = one(comment(comment="Müde \U0001f600", id=1))
    payload = found.items[0].payload
    assert json.loads(payload) == found.items[0].value
    assert payload.startswith('{"comment":"Müde \U0001f600","created_at":"2026'.encode())


def test_the_order_of_keys_and_the_spelling_of_text_make_no_difference():
    item = comment(comment="Müde & more \U0001f600")
    other = dict(reversed(item.items()))
    spelled = json.dumps(other, indent=2).replace("&", "\\u0026").encode()
    assert check("comment", spelled, single=True).items[0].payload == one(item).items[0].payload


def test_a_value_is_checked_like_its_bytes():
    items = [comment(), {}, feed_item(new=1)]
    assert check("comment", items) == check("comment", json.dumps(items).encode())


CYCLE: dict[str, Any] = {}
CYCLE["self"] = CYCLE


@pytest.mark.parametrize("value", [{1, 2}, object(), CYCLE], ids=["set", "object", "cycle"])
def test_a_value_that_is_not_json_is_a_failure(value: Any):
    found = check("stats", value)
    assert found.failure is not None
    assert found.failure.code == "NOT_JSON"


@pytest.mark.parametrize("name", ["id", "created_at", "comment", "spoiler", "review", "user"])
def test_a_required_field_is_named_if_missing_and_refused_if_null(name: str):
    assert verdict(comment(**{name: DROP})) == ("FIELD_MISSING", f"/{name}")
    assert verdict(comment(**{name: None})) == ("FIELD_INVALID", f"/{name}")


@pytest.mark.parametrize(
    "name", ["parent_id", "updated_at", "replies", "likes", "language", "user_rating", "user_stats"]
)
def test_a_field_that_real_answers_lack_may_be_missing_or_null(name: str):
    assert verdict(comment(**{name: DROP})) is None
    assert verdict(comment(**{name: None})) is None


@pytest.mark.parametrize(
    "user",
    [
        {"username": "a", "ids": {"slug": "a"}},
        {"username": "a", "private": True, "deleted": False, "ids": {"slug": "a"}},
        {"username": "a", "private": True, "deleted": True, "name": None, "ids": {"slug": None, "trakt": 12}},
        {"username": None, "deleted": True, "ids": None},
        {"username": "a"},
    ],
)
def test_private_deleted_and_bare_users_are_valid(user: dict[str, Any]):
    assert verdict(comment(user=user)) is None


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"id": "918273"}, "FIELD_INVALID", "/id"),
        ({"id": True}, "FIELD_INVALID", "/id"),
        ({"id": 1.5}, "FIELD_INVALID", "/id"),
        ({"id": 0}, "NUMBER_RANGE", "/id"),
        ({"likes": -1}, "NUMBER_RANGE", "/likes"),
        ({"spoiler": 0}, "FIELD_INVALID", "/spoiler"),
        ({"user_rating": 11}, "NUMBER_RANGE", "/user_rating"),
        ({"user": {"ids": {"slug": "a"}}}, "FIELD_MISSING", "/user/username"),
        ({"user": {"username": 7}}, "FIELD_INVALID", "/user/username"),
        ({"user": {"username": "a", "ids": {"slug": 7}}}, "FIELD_INVALID", "/user/ids/slug"),
        ({"user": []}, "FIELD_INVALID", "/user"),
        ({"comment": "a" * 1_000_001}, "TEXT_TOO_LONG", "/comment"),
        ({"language": "a" * 10_001}, "TEXT_TOO_LONG", "/language"),
        ({"created_at": 1714672800}, "FIELD_INVALID", "/created_at"),
    ],
)
def test_a_wrong_field_is_refused_with_code_and_path(changes: dict[str, Any], code: str, path: str):
    assert verdict(comment(**changes)) == (code, path)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (str(2**63 - 1), None),
        (str(2**63), "NUMBER_RANGE"),
        (str(2**64), "NUMBER_RANGE"),
        ("9223372036854775807.0", None),
        ("9.223372036854775807e18", None),
        ("9.223372036854775808e18", "NUMBER_RANGE"),
        ("9007199254740993.5", "NUMBER_RANGE"),
        ("1e300", "NUMBER_RANGE"),
        ("1e400", "NUMBER_RANGE"),
        ("-1e400", "NUMBER_RANGE"),
        ("NaN", "NUMBER_RANGE"),
        ("Infinity", "NUMBER_RANGE"),
        ("9" * 5000, "NUMBER_RANGE"),
        ("1." + "0" * 5000, None),
        ("1e-400", None),
        ("5.0", None),
        ("1e2", None),
        ("1.9", "FIELD_INVALID"),
    ],
)
@pytest.mark.parametrize("name", ["id", "likes"])
def test_integers_are_exact_and_have_64_bits(name: str, number: str, code: str | None):
    body = encode(comment(**{name: 123454321})).replace(b"123454321", number.encode())
    found = check("comment", body, single=True)
    if code is None and not (name == "id" and number == "1e-400"):
        assert (found.bad, found.failure) == ([], None)
        # The digits that are stored are an integer, and equal to what was sent.
        assert isinstance(found.items[0].value[name], int)
        assert f'"{name}":{found.items[0].value[name]},'.encode() in found.items[0].payload
    else:
        assert [(bad.code, bad.path) for bad in found.bad] == [(code or "NUMBER_RANGE", f"/{name}")]


def test_a_large_number_keeps_its_digits():
    body = encode(comment(id=123454321)).replace(b"123454321", b"9007199254740993.0")
    assert check("comment", body, single=True).items[0].value["id"] == 9007199254740993


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
@pytest.mark.parametrize("name", ["language", "likes", "unknown"])
def test_a_number_that_json_lacks_never_reaches_a_payload(literal: bytes, name: str):
    body = encode([comment(), comment(**{name: 123454321})]).replace(b"123454321", literal)
    found = check("comment", body)
    assert ([item.index for item in found.items], [(bad.code, bad.path) for bad in found.bad]) == (
        [0],
        [("NUMBER_RANGE", f"/{name}")],
    )


@pytest.mark.parametrize(
    ("text", "kept", "notes"),
    [
        ("\\ud83d!", "\ufffd!", ("HALF_SURROGATE",)),
        ("!\\ude00", "!\ufffd", ("HALF_SURROGATE",)),
        ("\\ude00\\ud83d", "\ufffd\ufffd", ("HALF_SURROGATE",)),
        ("\\ud83d\\ude00", "\U0001f600", ()),
        ("a\\u0000b", "a\0b", ("NUL_IN_TEXT",)),
        ("\\ud83d\\u0000", "\ufffd\0", ("HALF_SURROGATE", "NUL_IN_TEXT")),
        ("\\u0041\\u00e9", "A\u00e9", ()),
    ],
)
def test_half_a_surrogate_pair_is_replaced_a_whole_one_stays_and_nul_is_named(
    text: str, kept: str, notes: tuple[str, ...]
):
    body = encode([comment(), comment(comment="HERE")]).replace(b"HERE", text.encode())
    found = check("comment", body)
    assert found.bad == []
    assert (found.items[1].value["comment"], found.items[1].notes, found.items[0].notes) == (kept, notes, ())
    assert json.loads(found.items[1].payload.decode()) == found.items[1].value
    assert found.notes == {(code, "/"): 1 for code in notes}


def test_half_a_surrogate_pair_in_a_key_and_deep_inside_is_replaced():
    body = encode(comment(zz={"KEY": ["HALF"]})).replace(b"KEY", b"\\ud800").replace(b"HALF", b"\\udfff")
    found = check("comment", body, single=True)
    assert found.items[0].value["zz"] == {"\ufffd": ["\ufffd"]}
    assert (found.notes["HALF_SURROGATE", "/"], dict(found.unknown)) == (2, {"/zz": 1})


def test_bytes_that_are_not_utf_8_are_replaced_and_counted():
    body = encode([comment(comment="caf HERE"), comment()]).replace(b"HERE", b"\xe9\xff")
    found = check("comment", body)
    assert (found.items[0].value["comment"], found.notes["INVALID_UTF8", "/"]) == ("caf \ufffd\ufffd", 2)
    assert found.items[1].notes == ()


def test_a_byte_order_mark_is_ignored():
    for text in (b"", b"\xff"):  # valid UTF-8, and not
        body = b"\xef\xbb\xbf" + encode(comment(comment="HERE")).replace(b"HERE", text)
        assert len(check("comment", body, single=True).items) == 1


def test_the_last_of_two_equal_keys_counts_and_is_counted():
    body = encode([comment()]).replace(b'"likes":14', b'"likes":14,"likes":15,"likes":16')
    found = check("comment", body)
    assert (found.items[0].value["likes"], dict(found.notes)) == (16, {("DUPLICATE_KEY", "likes"): 2})
    assert found.items[0].payload.count(b'"likes"') == 1


def test_duplicates_are_counted_once_although_a_long_number_needs_a_second_parse():
    first = encode(comment()).replace(b'"likes":14', b'"likes":14,"likes":15')
    body = b'[%s,{"id":%s}]' % (first, b"9" * 5000)
    assert dict(check("comment", body).notes) == {("DUPLICATE_KEY", "likes"): 1}


def test_unknown_fields_are_kept_and_counted_by_path():
    items = [
        comment(new={"deep": {"er": 1}}),
        comment(new=2, user={"username": "a", "ids": {"slug": "a", "x/y": 1}}),
        feed_item("movie", movie={"ids": {"trakt": 1, "plex": {}}}),
        comment(),
    ]
    found = check("comment", encode(items))
    assert [item.value for item in found.items] == items
    assert dict(found.unknown) == {"/new": 2, "/user/ids/x~1y": 1, "/movie/ids/plex": 1}


def test_unknown_fields_of_a_bad_item_are_not_counted():
    assert one(comment(id=None, new=1)).unknown == {}


def test_a_million_unknown_names_take_little_room():
    found = one(comment(**{f"x{number}" * 50: 1 for number in range(1000)}))
    assert len(found.unknown) == 201
    assert (found.unknown["…"], sum(found.unknown.values())) == (800, 1000)
    assert max(map(len, found.unknown)) <= 81


def test_a_key_with_nul_gives_a_path_that_postgresql_stores():
    assert dict(one(comment(**{"a\0b": 1})).unknown) == {"/a\ufffdb": 1}


@pytest.mark.parametrize("value", [DROP, None, "text", 3, []])
def test_a_feeds_item_without_its_comment_says_so(value: Any):
    expected = ("COMMENT_MISSING", "/")
    assert verdict(feed_item("movie", comment=value)) == expected


@pytest.mark.parametrize(
    ("kind", "name"),
    [("movie", "movie"), ("show", "show"), ("season", "show"), ("season", "season"), ("episode", "episode")],
)
def test_a_feeds_item_without_its_subject_is_refused(kind: str, name: str):
    assert verdict(feed_item(kind, **{name: DROP})) == ("FIELD_MISSING", f"/{name}")
    assert verdict(feed_item(kind, **{name: None})) == ("FIELD_INVALID", f"/{name}")


def test_a_title_in_a_feed_needs_its_trakt_id():
    assert verdict(feed_item("movie", movie={"ids": {"slug": "a"}})) == ("FIELD_MISSING", "/movie/ids/trakt")
    assert verdict(feed_item("movie", movie={})) == ("FIELD_MISSING", "/movie/ids")


def test_a_path_leads_into_the_comment_of_a_feeds_item():
    assert verdict(feed_item(comment=comment(likes="x"))) == ("FIELD_INVALID", "/comment/likes")


def test_an_item_of_an_unknown_type_is_accepted_and_counted():
    found = one(feed_item("person"))
    assert (found.items[0].notes, dict(found.notes)) == (("UNKNOWN_TYPE",), {("UNKNOWN_TYPE", "/type"): 1})


def test_a_comment_that_gains_a_type_is_still_a_comment():
    found = one(comment(type="shout"))
    assert (len(found.items), dict(found.unknown)) == (1, {"/type": 1})


@pytest.mark.parametrize(
    "time",
    ["2026-05-02T18:04:11Z", "2026-05-02T18:04:11.1Z", "2024-02-29T00:00:00.123456789Z", "2026-05-02T18:04:11-05:30"],
)
def test_a_time_with_a_zone_is_accepted(time: str):
    assert verdict(comment(created_at=time)) is None


@pytest.mark.parametrize(
    "time",
    [
        *("2026-05-02T18:04:11", "2026-05-02 18:04:11Z", "2026-05-02t18:04:11z", "2026-05-02T18:04Z", "2026-05-02"),
        *("2016-12-31T23:59:60Z", "2023-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-13-01T00:00:00Z"),
        *("2026-05-02T24:00:00Z", "2026-05-02T18:60:00Z", "2026-05-02T18:04:11+24:00", "2026-05-02T18:04:11+0000"),
        *("0000-05-02T18:04:11Z", "10000-05-02T18:04:11Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"),
        *(
            "2026-05-02T18:04:11Z\n",
            " 2026-05-02T18:04:11Z",
            "2026-05-02T18:04:11.Z",
            "2026-05-02T18:04:11.1234567890Z",
        ),
        *("\u0662026-05-02T18:04:11Z", "", "now"),
    ],
)
def test_any_other_time_is_refused(time: str):
    assert verdict(comment(updated_at=time)) == ("TIME_INVALID", "/updated_at")


@pytest.mark.parametrize(
    ("time", "flagged"),
    [
        ("2009-12-31T23:59:59Z", True),
        ("2010-01-01T00:00:00Z", False),
        ("2026-11-29T00:00:00Z", False),
        ("2026-11-29T00:00:01Z", True),
        ("2026-11-29T05:00:00+05:00", False),
        ("2026-11-29T05:00:01+05:00", True),
        ("2026-11-28T20:00:01-05:00", True),
        ("2026-11-28T18:59:59-05:00", False),
    ],
)
def test_a_time_before_the_site_or_in_the_future_is_flagged(time: str, flagged: bool):
    now = datetime(2026, 11, 28, tzinfo=UTC)
    for item, path in (
        (comment(updated_at=time), "/updated_at"),
        (feed_item(comment=comment(updated_at=time)), "/comment/updated_at"),
    ):
        found = check("comment", encode([item]), now=now)
        assert (found.items[0].notes, dict(found.notes)) == (
            (("TIME_OUT_OF_RANGE",), {("TIME_OUT_OF_RANGE", path): 1}) if flagged else ((), {})
        )


@pytest.mark.parametrize("date", ["2026-02-30", "2026-2-03", "03.02.2026", "2026-02-03T00:00:00Z", "0000-01-01"])
def test_an_invalid_date_is_refused(date: str):
    assert verdict({**example("title"), "released": date}, "title") == ("TIME_INVALID", "/released")


def test_a_rating_needs_one_of_its_fields():
    assert verdict({"link": "x"}, "rating") == ("FIELD_MISSING", "/")
    assert verdict({"trakt": {"rating": 8.1, "votes": 3}}, "rating") is None
    assert verdict({"trakt": None}, "rating") == ("FIELD_INVALID", "/trakt")


@pytest.mark.parametrize(
    ("rating", "path"),
    [
        ({"rating": 11, "votes": 1}, "/rating"),
        ({"rating": 7, "votes": -1}, "/votes"),
        ({"rating": 7, "votes": 1, "distribution": {"10": -1}}, "/distribution/10"),
        ({"trakt": {"rating": 7, "distribution": {"3": 2**63}}}, "/trakt/distribution/3"),
    ],
)
def test_a_ratings_numbers_have_bounds(rating: dict[str, Any], path: str):
    assert verdict(rating, "rating") == ("NUMBER_RANGE", path)


def test_an_update_names_a_film_or_a_show():
    assert verdict({"updated_at": "2026-05-04T00:12:09.000Z"}, "updates") == ("FIELD_MISSING", "/")
    assert verdict({**example("updates"), "updated_at": None}, "updates") == ("FIELD_INVALID", "/updated_at")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "NOT_JSON"),
        (b"<!DOCTYPE html><title>x</title>", "NOT_JSON"),
        (b"\x1f\x8b\x08\x00", "NOT_JSON"),
        (b"\xff\xfe[\x00]\x00", "NOT_JSON"),
        (b'[{"id":1', "NOT_JSON"),
        (b"[] []", "NOT_JSON"),
        (b'["a\x00b"]', "NOT_JSON"),
        (b"[" * 100_000, "TOO_DEEP"),
        (b'{"a":' * 100_000, "TOO_DEEP"),
        (b'{"error":"not found"}', "NOT_A_LIST"),
        (b"null", "NOT_A_LIST"),
        (lambda: b" " * (64 * 2**20 + 1), "TOO_LARGE"),
        (lambda: b"[" + b",".join([b"[]"] * 10_001) + b"]", "TOO_LARGE"),
        (lambda: b"[{" + b",".join(b'"%x":1' % each for each in range(1_000_001)) + b"}]", "TOO_LARGE"),
        (lambda: b"[" + b"[]," * 600_000 + b"[]]", "TOO_LARGE"),
        (lambda: b"[" + b"{}," * 600_000 + b"[]]", "TOO_LARGE"),
    ],
)
def test_an_answer_that_cannot_be_read_is_a_failure_with_a_code(body: bytes | Callable[[], bytes], code: str):
    # Bodies of many megabytes are made by their test: every worker evaluates the list.
    found = check("comment", body() if callable(body) else body)
    assert found.failure is not None
    assert (found.failure.code, found.failure.index, found.items, found.bad) == (code, None, [], [])
    assert "\0" not in found.failure.raw
    assert len(found.failure.raw) <= RAW_CHARS


def test_values_are_not_parsed_past_their_limit(monkeypatch: pytest.MonkeyPatch):
    # Parsed, they would take a hundred times the body's memory.
    monkeypatch.setattr(json, "loads", lambda *_, **__: pytest.fail("parsed"))
    found = check("comment", b"[" + b"0," * 1_000_001 + b"0]")
    assert found.failure is not None
    assert "too many values" in found.failure.message


def test_a_comment_may_have_any_number_of_commas_that_its_text_can_have():
    assert one(comment(comment="," * 999_000)).failure is None


def test_a_list_is_not_one_object():
    found = check("stats", b"[]")
    assert found.failure is not None
    assert found.failure.code == "NOT_AN_OBJECT"


@pytest.mark.parametrize("item", ["1", '"a"', "null", "[]", "[[[]]]", "true", "NaN", "9" * 5000])
def test_an_item_that_is_not_an_object_costs_only_itself(item: str):
    found = check("comment", b"[%s,%s]" % (item.encode(), encode(comment())))
    assert [(bad.index, bad.code, bad.path) for bad in found.bad] == [(0, "NOT_AN_OBJECT", "/")]
    assert [each.index for each in found.items] == [1]


@pytest.mark.parametrize(("levels", "accepted"), [(31, True), (32, False), (300, False), (700, False)])
def test_an_item_may_be_32_levels_deep(levels: int, accepted: bool):
    body = b"[%s,%s]" % (
        encode(comment(x=0)).replace(b'"x":0', b'"x":' + b"[" * levels + b"]" * levels),
        encode(comment()),
    )
    found = check("comment", body)
    assert [bad.code for bad in found.bad] == ([] if accepted else ["TOO_DEEP"])
    assert len(found.items) == (2 if accepted else 1)


def test_an_item_of_50_megabytes_is_refused_wherever_its_text_is():
    long = "a" * 50_000_000
    assert verdict(comment(comment=long)) == ("TEXT_TOO_LONG", "/comment")
    found = one(comment(unknown=long))
    assert [(bad.code, bad.path, len(bad.raw)) for bad in found.bad] == [("ITEM_TOO_LARGE", "/", RAW_CHARS)]
    assert len(found.bad[0].message) < 200


def test_a_usual_item_that_grows_when_it_is_stored_is_refused():
    # One byte as sent; as stored, a control character takes six.
    assert verdict(comment(comment="\x7f" * 1_000_000)) is None
    assert verdict(comment(comment="\x01" * 1_000_000)) == ("ITEM_TOO_LARGE", "/")


def test_the_longest_comment_in_four_byte_characters_is_accepted():
    assert verdict(comment(comment="\U0001f600" * 1_000_000)) is None


def test_one_bad_item_changes_nothing_for_the_others():
    items = [comment(id=1), feed_item("show"), comment(id=3, new=1)]
    alone, among = check("comment", encode(items)), check("comment", encode([*items, {"id": 0}]))
    assert (alone.items, alone.unknown) == (among.items, among.unknown)


def test_the_first_wrong_field_by_path_is_named_with_what_is_expected():
    found = one(comment(user={"username": 7}, likes="many", id=-5))
    assert [(bad.path, bad.message) for bad in found.bad] == [("/id", "/id is -5; expected at least 1")]
    assert one(comment(updated_at="never", likes="many")).bad[0].path == "/likes"
    found = one(comment(likes="many"))
    assert found.bad[0].message == "/likes is 'many'; expected an integer or null"


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (comment(user=DROP), "/user is missing; expected an object"),
        (comment(user={}), "/user/username is missing; expected text"),
        (comment(id=DROP), "/id is missing; expected an integer"),
        (
            comment(created_at=DROP),
            "/created_at is missing; expected a time with a zone, such as 2026-05-02T18:04:11.000Z",
        ),
        (feed_item("movie", movie={"ids": {}}), "/movie/ids/trakt is missing; expected an integer"),
        (feed_item("movie", comment=comment(review=DROP)), "/comment/review is missing; expected true or false"),
    ],
)
def test_a_missing_field_is_named_with_its_type(item: dict[str, Any], message: str):
    assert one(item).bad[0].message == message


def test_what_only_looks_like_a_comment_has_no_times():
    odd = {**example("title"), "comment": {"updated_at": 5}, "created_at": []}
    found = one(odd, "title")
    assert (dict(found.unknown), found.notes) == ({"/comment": 1, "/created_at": 1}, {})


def test_a_message_is_short_and_printable():
    found = one(comment(created_at="\x1b[2J" + "x" * 100_000))
    assert len(found.bad[0].message) < 300
    assert found.bad[0].message.isprintable()


def test_every_code_has_a_meaning():
    assert all(meaning for codes in (ANSWER_CODES, ITEM_CODES, NOTE_CODES) for meaning in codes.values())


def test_an_unknown_resource_is_an_error_of_the_caller():
    with pytest.raises(KeyError):
        check("nonsense", b"[]")
