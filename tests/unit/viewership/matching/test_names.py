"""Find the series that a text names."""

from __future__ import annotations

import pytest

from jobs.viewership.keys.titles import series_key, title_form
from jobs.viewership.matching.model import RULES
from jobs.viewership.matching.names import SeriesAlias, SeriesName, SeriesNames, Source

NAMES = SeriesNames(
    [
        SeriesName(1, "Harbour Lights"),
        SeriesName(2, "Charmers"),
        SeriesName(3, "Charmers (2018)"),
        SeriesName(4, "The Outpost"),
        SeriesName(5, "ER"),
        SeriesName(6, "Quiet Streets"),
        SeriesName(6, "Calles tranquilas"),
        SeriesName(7, "Season of Storms"),
        SeriesName(8, "Harbour Lights Rescue"),
        SeriesName(9, "Court 2"),
        SeriesName(10, "Dated (1999)"),
    ],
    [
        SeriesAlias(1, series_key("Luces")),
        SeriesAlias(4, series_key("Luces"), "tubi"),
        SeriesAlias(5, series_key("Two Meanings")),
        SeriesAlias(6, series_key("Two Meanings")),
    ],
    RULES["standard-1"],
    {"hl": 1, "ch": 2},
)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("HARBOUR  LIGHTS", (1,)),
        ("Outpost, The", (4,)),
        ("Charmers", (2, 3)),
        ("Charmers 2018", (3,)),
        ("Charmers (2018) (dubbed)", (3,)),
        ("Charmers (1998)", ()),
        ("Calles Tranquilas", (6,)),
        ("Harbour Lights (2020)", (1,)),
        ("Dated", (10,)),
        ("Dated (2001)", ()),
        ("Luces", (1,)),
        ("Two meanings", (5, 6)),
        ("Her", ()),
        ("", ()),
    ],
)
def test_a_column_names_series(text: str, ids: tuple[int, ...]):
    assert NAMES.given("philo", text).ids == ids


def test_an_alias_of_the_platform_comes_first():
    assert NAMES.given("tubi", "Luces").ids == (4,)
    assert NAMES.given("tubi", "Two Meanings").ids == (5, 6)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("Harbor Lights", (1,)),
        ("Quiet Stretes", (6,)),
        ("Charmers (1998)", (2,)),
        ("Quiet Storms", ()),
        ("Court 3", ()),
        ("ET", ()),
        ("Quiet Lightss", ()),
        ("Harbour Streets", ()),
        ("Charmers Rescued", ()),
    ],
)
def test_a_name_may_be_similar(text: str, near: tuple[int, ...]):
    found = NAMES.given("philo", text)
    assert (found.ids, found.near) == ((), near)


@pytest.mark.parametrize(
    ("title", "heads", "ids", "source"),
    [
        ("ER: Day One", ["ER"], (5,), Source.TITLE),
        ("Harbour Lights", [], (1,), Source.TITLE),
        ("Harbour Lights Rescue: Calm", ["Harbour Lights Rescue"], (8,), Source.TITLE),
        ("Harbour Lights Rescue Calm", [], (8,), Source.WORDS),
        ("The Calm | Quiet Streets", ["The Calm", "Quiet Streets"], (6,), Source.TITLE),
        ("Charmers 2018 Pilot", [], (3,), Source.WORDS),
        ("Her Mother's Matter", [], (), Source.WORDS),
        ("Erased", [], (), Source.WORDS),
    ],
)
def test_a_title_begins_with_a_series_at_the_borders_of_words(
    title: str, heads: list[str], ids: tuple[int, ...], source: Source
):
    assert NAMES.inside(title_form(title).words, heads)[:2] == (ids, source)


@pytest.mark.parametrize(
    ("parts", "series"),
    [
        (["chan_us_hl-0101", "hl-0101"], 1),
        (["xhl-0101"], None),
        (["hl-0101", "ch-0101"], None),
        (["hl"], None),
        ([], None),
    ],
)
def test_an_id_begins_with_the_code_of_its_series(parts: list[str], series: int | None):
    assert NAMES.coded(parts) == series
