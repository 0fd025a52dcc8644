"""Ids: rounded ones, and ids inside ids at the borders of tokens."""

# ruff: noqa: RUF001 - text of other scripts
from __future__ import annotations

import pytest

from jobs.viewership.keys.ids import contains_at_token_borders, id_key, id_parts, mangled_id
from jobs.viewership.keys.review import review_key
from jobs.viewership.keys.text import cleaned, folded, repaired


@pytest.mark.parametrize("text", ["1.23457E+11", "1,23457E+11", "1e+09", " 4.2E+10 ", "#REF!", "########"])
def test_rounded_ids_are_none(text: str):
    assert mangled_id(text)
    assert id_key(text) == ""
    assert id_parts(text) == []


@pytest.mark.parametrize("text", ["123457000000", "HL-0101", "1E", "E-11", "amzn1.dv.gti.5cf8e1", "12E34X"])
def test_ids_are_kept(text: str):
    assert not mangled_id(text)
    assert id_parts(text)[0] == id_key(text) == text.lower()


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("nosey_US_HL-0101", "hl-0101", "hl-010"),
        ("HL-0101_v2", "hl-0101", "l-0101"),
        ("asset/HL-0101.mp4", "hl-0101", "0101"),
        ("XHL-0101", "xhl-0101", "hl-0101"),
        ("HL-01012", "hl-01012", "hl-0101"),
        ("HL-0101-HL-0102", "hl-0102", "hl-010"),
    ],
)
def test_ids_inside_ids_end_at_token_borders(text: str, inside: str, outside: str):
    assert inside in id_parts(text)
    assert outside not in id_parts(text)


def test_an_id_of_many_tokens_has_few_parts():
    assert len(id_parts("a1-" * 1000)) <= 100


@pytest.mark.parametrize(
    ("text", "part", "found"),
    [
        ("ER: Day One", "ER", True),
        ("Her Mother's Matter", "ER", False),
        ("MAIN_US", "IN", False),
        ("MAIN_US", "us", True),
        ("Los Élite", "elite", True),
        ("a.b", "", False),
        ("日本の", "日本", False),
    ],
)
def test_short_names_count_at_token_borders(text: str, part: str, found: bool):
    assert contains_at_token_borders(text, part) is found


@pytest.mark.parametrize("text", ["Élite", "naïve café", "日本", "Привет", "“Quoted”", "Ñandú – El Niño", "£5 €6"])
@pytest.mark.parametrize("times", [1, 2])
def test_mojibake_is_repaired_and_right_text_is_left(text: str, times: int):
    assert repaired(text) == text
    broken = text
    for _ in range(times):
        raw = broken.encode()
        broken = "".join(
            bytes([byte]).decode("cp1252") if byte not in {0x81, 0x8D, 0x8F, 0x90, 0x9D} else chr(byte) for byte in raw
        )
    assert repaired(broken) == text


def test_text_is_cleaned_and_folded():
    assert cleaned("\ufeff a\u200b\u00a0 b\r\n\x00") == "a b"
    assert folded("Æøå Łódź İstanbul") == "aeoa lodz istanbul"
    assert [folded(text) for text in ("हिन्दी", "ไทย", "が", "한국")] == ["हिन्दी", "ไทย", "が", "한국"]


def test_rows_that_a_person_decides_alike_share_a_key():
    first = review_key(
        "Tubi", content_name="The Storm, Part 1", series="Outpost, The", season="01", content_id="HL-0101"
    )
    assert first == review_key(
        "tubi ", content_name="STORM (1)", series="The Outpost", season="1", content_id="hl-0101 "
    )
    assert first != review_key("tubi", content_name="STORM (2)", series="The Outpost", season="1", content_id="hl-0101")
    others = {review_key("tubi", content_name=title) for title in ("S01E03", "S01E04", "Episode 5", "Episode 5 (LAS)")}
    assert len(others) == 4
    assert review_key("tubi", content_name="A", content_id="1.2E+11") == review_key("tubi", content_name="A")
    assert review_key("tubi", content_name="A", content_name_2="a").title == "a"
    assert review_key("tubi", content_name="A", season="12A").season == "12a"
