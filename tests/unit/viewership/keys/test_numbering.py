"""Season and episode in titles."""

from __future__ import annotations

import time

import pytest

from jobs.viewership.keys.numbering import is_range, season_episode, whole_number


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
    ("text", "season", "rest"),
    [
        ("S01E01/02 - Pilot", 1, "Pilot"),
        ("S01E01/E02 Pilot", 1, "Pilot"),
        ("S01E01+02", 1, ""),
        ("S01E01 and E02 Pilot", 1, "Pilot"),
        ("S01E01,02: Pilot", 1, "Pilot"),
        ("S1E1 to 3", 1, ""),
        ("S01E01 - S01E02 Pilot", 1, "Pilot"),
        ("S01E01-S01E03", 1, ""),
        ("1x01/02", 1, ""),
        ("1x01-1x02 Pilot", 1, "Pilot"),
        ("1x01 & 1x02", 1, ""),
        ("Season 1, Episode 1 & 2 - Pilot", 1, "Pilot"),
        ("Season 1 Episode 9 + 10 | Pilot", 1, "Pilot"),
        ("Episodes 1-2", None, ""),
        ("Episode 1-2: The Storm", None, "The Storm"),
        ("Episodes 1, 2 & 3 - Pilot", None, "Pilot"),
        ("Eps. 1 and 2", None, ""),
        ("Capítulo 1 y 2", None, ""),
        ("Folge 3 und 4", None, ""),
        ("Ep. 1/2", None, ""),
        ("E01-E02 Pilot", None, "Pilot"),
        ("Pilot (Episodes 1-2)", None, "Pilot"),
    ],
)
def test_two_episodes_in_one_title_are_neither(text: str, season: int | None, rest: str):
    found = season_episode(text)
    assert (found.season, found.episode, found.rest, found.several) == (season, None, rest, True)


@pytest.mark.parametrize(
    ("text", "episode", "rest"),
    [
        ("Episode 1 - 2 Moms", 1, "2 Moms"),
        ("Episode 1 and 2 Moms", 1, "and 2 Moms"),
        ("Episode 1 and the Beast", 1, "and the Beast"),
        ("Episode 3, 4 Weddings", 3, "4 Weddings"),
        ("S01E01 - 24", 1, "24"),
        ("S01E01 - 24 Hours", 1, "24 Hours"),
        ("S01E01 & Friends", 1, "& Friends"),
        ("Episode 5/10", 5, "10"),
        ("Episode 5 of 10", 5, "of 10"),
        ("Episode 3-1", 3, "1"),
        # The same episode twice, and its number in the whole series.
        ("S01E03 - Episode 3 - Pilot", 3, "Episode 3 - Pilot"),
        ("S02E03 - Episode 16 - Pilot", 3, "Episode 16 - Pilot"),
    ],
)
def test_a_number_after_an_episode_may_be_of_its_title(text: str, episode: int, rest: str):
    found = season_episode(text)
    assert (found.episode, found.rest, found.several) == (episode, rest, False)


@pytest.mark.parametrize("text", ["1-2", "1 & 2", "01/02", "E1-E2", "Ep. 1-2", "Episodes 3 and 4", "1,2", "S1E1-E2"])
def test_a_column_may_name_several_episodes(text: str):
    assert is_range(text)


@pytest.mark.parametrize("text", ["1", "12A", "1.5", "5/10", "2-1", "", None, "2025-01-02", "S1E1"])
def test_other_columns_do_not(text: str | None):
    assert not is_range(text)


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
