"""Titles with a few comments each, and their figures by hand: for tests of the metrics and of the models."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TITLES", "Comment", "Expected", "Title"]


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment: days since the title's start, its author, and the author's rating when it was first seen."""

    day: float
    user: str
    rating: int | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """n, value and reason of a figure; the value to six digits."""

    n: int
    value: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Title:
    """A title whose figures are known.

    Attributes:
        name: its name.
        kind: movie or show.
        age_d: days since its start.
        is_released: whether the start is its release; otherwise it is the first comment.
        comments: in order of their days.
        expected: name of a figure -> what it is; without peers, so intensity is not shrunk.
    """

    name: str
    kind: str
    age_d: float
    is_released: bool
    comments: tuple[Comment, ...]
    expected: dict[str, Expected]


def _by_one_each(days: list[float]) -> tuple[Comment, ...]:
    return tuple(Comment(day, f"person_{place}") for place, day in enumerate(sorted(days)))


TITLES = (
    Title(
        # l = ln 2 / 60; after 60 days e^(lA) = 2, so the mean is 60 / ln 2 - 60 / (2 - 1) = 26.5617025.
        "One half-life old",
        "movie",
        60.0,
        True,
        _by_one_each([16.5617025, 36.5617025] * 20),
        {
            "breadth": Expected(40, 40.0),
            "intensity": Expected(40, 0.5 / 40),
            "half_life": Expected(40, 60.0),
            "t50_90": Expected(40, reason="TOO_YOUNG"),
            "hold_up": Expected(0, reason="WINDOWS_OVERLAP"),
            "retention": Expected(40, reason="TOO_YOUNG"),
        },
    ),
    Title(
        # The same, but the start is the first comment, which does not count as evidence.
        "Without a release date",
        "movie",
        60.0,
        False,
        _by_one_each([0.0, *[16.5617025, 36.5617025] * 20]),
        {"breadth": Expected(41, 41.0), "half_life": Expected(40, 60.0)},
    ),
    Title(
        # Mean 32.5 of 400 days: u = lA solves 1/u - 1/(e^u - 1) = 0.08125: u = 12.30701, and 400 ln 2 / u = 22.5285.
        # 20 people wrote 40 comments: (20 + 1/2) / 20. Of days 1 to 180, 10 of 40 are late. The first 90 days have 30,
        # all at day 10; the 32nd of the 40 comments of a year is at day 100.
        "Soon forgotten",
        "movie",
        400.0,
        True,
        tuple(Comment(10.0 if place < 30 else 100.0, f"person_{place % 20}", 8) for place in range(40)),
        {
            "breadth": Expected(20, 20.0),
            "intensity": Expected(40, 1.025),
            "half_life": Expected(40, 22.5285),
            "t50_90": Expected(30, 10.0),
            "t80_90": Expected(30, 10.0),
            "t50_365": Expected(40, 10.0),
            "t80_365": Expected(40, 100.0),
            "hold_up": Expected(40, reason="TOO_FEW_LAST"),
            "retention": Expected(40, 0.25),
        },
    ),
    Title(
        # Means 8.5 and 6.5. The half-life needs 30 comments, and t50 needs 20 of the first year: there are 10.
        "Aged badly",
        "show",
        400.0,
        True,
        tuple(
            Comment(1.0 if place < 10 else 399.0, f"person_{place}", (8, 9, 6, 7)[place % 2 + 2 * (place >= 10)])
            for place in range(20)
        ),
        {
            "breadth": Expected(20, 20.0),
            "half_life": Expected(20, reason="TOO_FEW"),
            "t50_365": Expected(10, reason="TOO_FEW"),
            "hold_up": Expected(20, -2.0),
            "retention": Expected(10, reason="TOO_FEW"),
        },
    ),
    Title(
        # The mean of 0.5 to 59.5 is 30, half the age.
        "Never fading",
        "show",
        60.0,
        True,
        _by_one_each([day + 0.5 for day in range(60)]),
        {"breadth": Expected(60, 60.0), "half_life": Expected(60, reason="NO_DECAY")},
    ),
    Title(
        "Unseen",
        "show",
        500.0,
        True,
        (),
        {
            "breadth": Expected(0, 0.0),
            "intensity": Expected(0, reason="NO_DATA"),
            "half_life": Expected(0, reason="NO_DATA"),
            "t50_90": Expected(0, reason="NO_DATA"),
            "hold_up": Expected(0, reason="NO_DATA"),
            "retention": Expected(0, reason="NO_DATA"),
        },
    ),
)
"""Titles and their figures, with the default parameters."""
