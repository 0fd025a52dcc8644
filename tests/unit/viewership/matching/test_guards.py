"""Similar titles that are one title, and those that are two."""

from __future__ import annotations

import pytest

from jobs.viewership.keys.titles import title_form
from jobs.viewership.keys.words import wordset
from jobs.viewership.matching.fuzzy import Episode, Proposals, SeriesTitles
from jobs.viewership.matching.guards import aligned, same_numbers
from jobs.viewership.matching.model import RULES

WORDS = wordset("last lost winter brother mother girls boys lie marked man men sister mister secret")


def words(text: str) -> tuple[str, ...]:
    return title_form(text).words


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("Shes my sitser", "She's My Sister"),
        ("The Marked Wintre", "Marked Winter"),
        ("Her Brothers Secert", "Her Brother's Secret"),
        ("Sister of Winter", "The Sister in the Winter"),
        ("ThePerfect Storm", "The Perfect Storm"),
        ("Air BnB Secret", "AirBnB Secret"),
        ("Sis ter Act", "Sister Act"),
        ("My Sisters Secret", "My Sister Secret"),
    ],
)
def test_typing_errors_are_one_title(typed: str, title: str):
    assert aligned(words(typed), words(title), WORDS)


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("The Last Winter", "The Lost Winter"),
        ("My Brother Lied", "My Mother Lied"),
        ("Girls Lie", "Boys Lie"),
        ("Marked Men", "Marked Man"),
        ("My Sister", "Not My Sister"),
        ("My Sister's Secret", "My Sister"),
        ("His Son", "Her Son"),
        ("Karen v. Omar", "Karen v. Hank"),
        # The catalogue has "brother" and "sister", so these are other words too.
        ("My Brothers Lied", "My Mothers Lied"),
        ("My Misters Secret", "My Sisters Secret"),
        # Words for relatives are never typing errors of each other, whatever the catalogue has.
        ("My Stepfather Lied", "My Stepmother Lied"),
        ("My Grandmother's Secret", "My Grandfather's Secret"),
        ("Her Father's Secret", "Her Mother's Secret"),
    ],
)
def test_other_words_are_another_title(typed: str, title: str):
    assert not aligned(words(typed), words(title), WORDS)


def test_numbers_must_be_the_same():
    assert same_numbers(words("Storm (1)"), words("The Storm, Part One"))
    assert not same_numbers(words("Storm (1)"), words("Storm (2)"))
    assert not same_numbers(words("Storm"), words("Storm (2)"))


EPISODES = [
    Episode(number, f"A-{number}", 1, 1, number, True, title, title_form(title).key)
    for number, title in enumerate(
        [
            "The Storm, Part 1",
            "The Storm, Part 2",
            "She's My Sister",
            "The Lost Winter",
            "Borrowed Furniture",
            "A Clear Verdict / The Long Appeal",
            "Borrowed Furniture Returns to Town",
            "Twin Peaks",
            "Twin Beaks",
        ],
        start=1,
    )
]
TITLES = SeriesTitles(EPISODES, RULES["standard-1"], Proposals(EPISODES, RULES["standard-1"]).words)


@pytest.mark.parametrize(
    ("text", "episode"),
    [
        ("Shes my sistr", 3),
        ("The Strom, Part 1", 1),
        ("The Strom (2)", 2),
        ("Borowed Furniture", 5),
        ("Borrowed Furniture Returns to Tow", 7),
        ("The Strom", None),
        ("The Storm, Part 3", None),
        ("The Last Winter", None),
        ("Borrowed", None),
        ("The Long Appeal", None),
        ("A Clear Verdict", None),
        ("Twin Beeks", 9),
        ("Twin Xeaks", None),
        ("Nothing Alike", None),
    ],
)
def test_similar_titles_are_accepted_with_a_margin(text: str, episode: int | None):
    form = title_form(text)
    found = TITLES.find([(form.key, form.words)])
    assert (found.accepted.episode_id if found.accepted else None) == episode
    scores = [each.score for each in found.best]
    assert scores == sorted(scores, reverse=True)


def test_numbers_of_the_row_must_not_disagree():
    form = title_form("Borowed Furniture")
    forms = [(form.key, form.words)]
    assert TITLES.find(forms, 1, 5).accepted is not None
    assert TITLES.find(forms, 2, None).accepted is None
    assert TITLES.find(forms, None, 6).accepted is None


def test_an_ellipsis_cuts_at_the_end_of_a_word():
    form = title_form("Borrowed Furniture Returns to")
    forms = [(form.key, form.words)]
    assert TITLES.find(forms).accepted is None
    assert TITLES.find(forms, cut=True).accepted == EPISODES[6]


def test_inactive_episodes_are_shown_and_not_accepted():
    closed = [one._replace(active=False) for one in EPISODES]
    form = title_form("Shes my sistr")
    found = SeriesTitles(closed, RULES["standard-1"]).find([(form.key, form.words)])
    assert found.accepted is None
    assert found.best[0].episode.episode_id == 3


def test_proposals_share_a_rare_word():
    proposals = Proposals(EPISODES, RULES["standard-1"])
    assert proposals.find(title_form("Borrowed Furnitures"))[0].episode.episode_id == 5
    assert proposals.find(title_form("Completely different")) == ()
