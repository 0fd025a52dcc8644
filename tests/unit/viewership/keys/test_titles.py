"""Keys of titles and series: which ways of writing a name are one, and which are not."""

# ruff: noqa: RUF001 - text of other scripts
from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jobs.viewership.keys.text import repaired
from jobs.viewership.keys.titles import (
    numbers,
    placeholder,
    series_base,
    series_form,
    series_key,
    series_year,
    title_form,
    title_key,
    tokens,
    undecorated,
)

SAME = [
    ["The Storm, Part 1", "The Storm (1)", "The Storm Pt. I", "The Storm - Part One", "Storm, The (Part 1 of 2)"],
    ["The Storm Part 01", "THE STORM (1/2)", "Part 1: The Storm", "The Storm - part i", "The Storm I"],
    ["Chapter II", "Chapter 2", "Chapter Two", "CHAPTER 02"],
    ["She's My Sister", "She’s My Sister", "SHE`S MY SISTER", "\ufeffShes My\u00a0Sister \u200b", "Sheâ€™s My Sister"],
    [
        "She's My Sister",
        "S01:E03 - She's My Sister",
        "She's My Sister (S1E3)",
        "1x03 She's My Sister",
        "She´s my sister",
    ],
    ["She's My Sister", "She's My Sister | Full Episode", "She's My Sister [HD]", "She's My Sister (dubbed) (LAS)"],
    ["Law & Order", "Law and Order", "LAW &amp; ORDER", "Law & Order - Full Episode"],
    ["Rock 'n' Roll", "Rock & Roll", "Rock and Roll"],
    ["Élodie à Noël", "Elodie a Noel", "ÉLODIE À NOËL", "Ã‰lodie Ã\u00a0 NoÃ«l"],
    ["AirBnB", "Air BnB", "Air-BnB"],
    ["S.W.A.T.", "SWAT"],
    ["Всё о нас", "ВСЕ О НАС"],
    ["10,000 Days", "10000 days"],
    ["The 1st Wife", "The First Wife"],
    ["Twenty-One Guns", "21 Guns"],
    ["Parte dos", "Part 2", "Teil zwei"],
    ["Straße", "STRASSE"],
    ["ﬁre", "Fire"],
    ["مُحَمَّد", "محمد"],
]


@pytest.mark.parametrize("titles", SAME, ids=lambda titles: titles[0])
def test_ways_of_writing_one_title_share_a_key(titles: list[str]):
    assert {title_key(title) for title in titles} == {title_key(titles[0])}


@pytest.mark.parametrize(
    "titles",
    [
        ("The Storm, Part 1", "The Storm, Part 2", "The Storm", "The Storm, Part 11", "The Storm, Part 1 and 2"),
        ("Chapter 1", "Chapter 11", "Chapter 1 1", "Chapter"),
        ("日本", "中国", "हिन्दी", "हनद", "ไทย", "한국", "עברית", "العربية", "Привет", "か", "が"),
        ("1923", "1924", "Nineteen"),
        ("I Do", "1 Do"),
        ("Catch 22", "Catch 2 2"),
        ("Civil", "Mix", "Dim"),
        ("Season 5 Finale", "Season 6 Finale"),
    ],
)
def test_different_titles_have_different_keys(titles: tuple[str, ...]):
    keys = [title_key(title) for title in titles]
    assert len(set(keys)) == len(keys), keys
    assert all(keys)


@pytest.mark.parametrize(
    "text",
    [
        *("Episode 4", "Ep. 4", "Unknown", "TBA", "tbd", "Untitled", "N/A", "n/a", "-", "???", "", "Untitled 3"),
        *("S03E140", "3x05", "Season 5 - Episode 79", "Episode Four", "24", "Unknown Episode 3", "None", "null"),
        *("Sin título", "Title", "TITLE 12", "Episode", "Temporada 2 Capítulo 3", "(dubbed)", "Clip 7"),
    ],
)
def test_placeholders_name_no_episode(text: str):
    assert placeholder(text)


@pytest.mark.parametrize(
    "text",
    [
        "1923",
        "Pilot",
        "The Unknown Woman",
        "Part 2",
        "Two",
        "Chapter 4",
        "Tests",
        "日本",
        "Season 5 Finale",
        "None of Us",
    ],
)
def test_titles_are_not_placeholders(text: str):
    assert not placeholder(text)


@pytest.mark.parametrize(
    ("text", "name", "language", "dubbed"),
    [
        ("Harbour Lights (dubbed) (LAS)", "Harbour Lights", "es-419", True),
        ("Es mi hermana (Spanish Dubbed)", "Es mi hermana", "es", True),
        ("She's My Sister | Full Episode", "She's My Sister", None, False),
        ("The Office (US)", "The Office (US)", None, False),
        ("Dubbed", "Dubbed", None, False),
        ("She (Is) My Sister", "She (Is) My Sister", None, False),
        ("Full Episode", "Full Episode", None, False),
    ],
)
def test_additions_of_platforms_are_attributes(text: str, name: str, language: str | None, dubbed: bool):
    found = undecorated(text)
    assert (found.text, found.language, found.dubbed) == (name, language, dubbed)


def test_series_names_keep_their_year_apart():
    assert {series_key(name) for name in ("Outpost, The", "OUTPOST", "The Outpost (dubbed)", "Outpost (The)")} == {
        "outpost"
    }
    assert series_key("Charmers 2018") == series_key("Charmers (2018)") != series_key("Charmers")
    assert series_base("Charmers (2018)") == series_base("Charmers")
    assert (series_year("Charmers (2018)"), series_year("Charmers"), series_year("1923")) == (2018, None, None)
    assert series_key("1923") == "1923"
    assert series_key("The Office (US)") != series_key("The Office (UK)")
    assert "" not in {series_key(name) for name in ("日本", "???", "Ж")}


@pytest.mark.parametrize(
    "text", ["Harbour Lights Season 2", "Harbour Lights - S02", "Harbour Lights: Season 2", "Harbour Lights (Season 2)"]
)
def test_a_season_in_a_series_name_is_a_number(text: str):
    form = series_form(text)
    assert (form.key, form.season) == ("harbourlights", 2)


def test_numbers_of_titles_guard_siblings():
    assert numbers(tokens("2 Moms, Part 1")) == ("1", "2")
    assert numbers(tokens("The First Wife")) == numbers(tokens("The 1st Wife")) != numbers(tokens("The Second Wife"))


@given(st.text(max_size=80))
def test_a_key_is_stable_bounded_and_never_fails(text: str):
    key = title_key(text)
    assert key == title_key(text) == title_form(text).key
    assert len(key.encode()) <= 1000
    assert key == key.strip()
    assert series_base(text) is not None


@given(st.text(alphabet=st.characters(categories=("L", "Nd", "Zs"), include_characters="'-:,.&"), max_size=60))
def test_case_and_composition_do_not_change_a_key(text: str):
    assume(repaired(text) == text)
    for form in ("NFC", "NFD"):
        assert title_key(unicodedata.normalize(form, text)) == title_key(unicodedata.normalize("NFC", text))
    if text.isascii():
        assert title_key(text.upper()) == title_key(text.lower())


@given(st.integers(1, 39), st.sampled_from(["Part {}", "Pt. {}", "Chapter {}", "({})"]))
def test_numerals_are_one_number(value: int, shape: str):
    roman = "X" * (value // 10) + ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"][value % 10]
    assert title_key("The Calm " + shape.format(roman)) == title_key("The Calm " + shape.format(value))


def test_long_texts_have_bounded_keys():
    long = [title_key("ﷺ" * 50 + end) for end in ("a", "b")]
    assert max(len(key.encode()) for key in long) <= 1000
    assert len(set(long)) == 2
    assert title_key("a b " * 10**6)
