"""Season and episode in titles."""

from __future__ import annotations

import time

import pytest

from jobs.viewership.keys.numbering import season_episode, whole_number


@pytest.mark.parametrize(
    ("text", "season", "episode", "rest"),
    [
        ("S03E140", 3, 140, ""),
        ("S11:E32 - 2 Moms", 11, 32, "2 Moms"),
        ("s1.e3 Pilot", 1, 3, "Pilot"),
        ("3x05 - Pilot", 3, 5, "Pilot"),
        ("Show - Season 5 - Episode 79", 5, 79, "Show"),
        ("The Jerry Show - Season - 5 - Episode - 79", 5, 79, "The Jerry Show"),
        ("Season 5, Ep. 79: Pilot", 5, 79, "Pilot"),
        ("Show S01 - E01 - The Storm - Part 01", 1, 1, "Show - The Storm - Part 01"),
        ("Show: Pilot (S1E3)", 1, 3, "Show: Pilot"),
        ("Pilot [S01E03]", 1, 3, "Pilot"),
        ("Ep. 4 - Pilot", None, 4, "Pilot"),
        ("Episode 4", None, 4, ""),
        ("E04: Pilot", None, 4, "Pilot"),
        ("T5:E3 Hermana", 5, 3, "Hermana"),
        ("Temporada 2 Capítulo 3", 2, 3, ""),
        ("Saison 1 Épisode 3 : Nous", 1, 3, "Nous"),
        ("Staffel 2 Folge 11", 2, 11, ""),
        ("Pilot (Season 2)", 2, None, "Pilot"),
        ("Show - Season 2 - Pilot", 2, None, "Show - Pilot"),
    ],
)
def test_numbers_are_read_and_removed(text: str, season: int | None, episode: int | None, rest: str):
    found = season_episode(text)
    assert (found.season, found.episode, found.rest, found.several) == (season, episode, rest, False)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "The Storm - Part 01",
            "4x4 Trucks",
            "1920x1080",
            "Season 5 Finale",
            "Apollo 13",
            "Boys 2 Men",
            "T2 Trainspotting",
        ),
        *("Formula E3000", "MS1E3X", "Best 5 Episodes", "2 Moms", "Step 3", "Les 10 ans"),
    ],
)
def test_other_numbers_are_not_season_and_episode(text: str):
    found = season_episode(text)
    assert (found.season, found.episode, found.rest) == (None, None, text)


@pytest.mark.parametrize("text", ["S01E03-E04", "S01E03E04 Pilot", "S01E03-04 - Pilot", "S1 E3 & E4"])
def test_a_range_names_no_single_episode(text: str):
    found = season_episode(text)
    assert (found.season, found.episode, found.several) == (1, None, True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("01", 1),
        (" 7 ", 7),
        ("3.0", 3),
        ("S02", 2),
        ("Season 4", 4),
        ("Ep. 5", 5),
        ("12A", None),
        ("", None),
        (None, None),
    ],
)
def test_numbers_of_columns(text: str | None, value: int | None):
    assert whole_number(text) == value


def test_a_long_run_of_spaces_costs_little():
    start = time.process_time()
    assert whole_number("season" + " " * 32_000 + "x") is None
    assert whole_number(" " * 32_000 + "x") is None
    assert whole_number(" " * 32_000 + "7" + " " * 32_000) == 7
    assert time.process_time() - start < 1
