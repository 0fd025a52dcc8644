"""The figures of the hand-made titles are those computed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobs.trakt.metrics.functions import functions
from tests.trakt_hand_made import TITLES

if TYPE_CHECKING:
    from tests.trakt_hand_made import Title

CALL = {name: made.call for name, made in functions().items()}


def figure(name: str, title: Title) -> dict:
    days = [comment.day for comment in title.comments]
    people = len({comment.user for comment in title.comments})
    if name.startswith("t"):
        share, horizon = name[1:].split("_")
        return CALL["trakt_horizon"](days, title.age_d, int(share) / 100, float(horizon))
    return {
        "breadth": lambda: CALL["trakt_breadth"](people),
        "intensity": lambda: CALL["trakt_intensity"](people, len(days), None, None, None),
        "half_life": lambda: CALL["trakt_half_life"](days, title.age_d, not title.is_released),
        "hold_up": lambda: CALL["trakt_hold_up"](
            days, [comment.rating for comment in title.comments], [False] * len(days), title.age_d
        ),
        "retention": lambda: CALL["trakt_retention"](days, title.age_d),
    }[name]()


@pytest.mark.parametrize(
    ("title", "name"), [(title, name) for title in TITLES for name in title.expected], ids=lambda value: str(value)[:24]
)
def test_figures_equal_those_computed_by_hand(title, name):
    found, expected = figure(name, title), title.expected[name]
    assert (found["n"], found["reason"]) == (expected.n, expected.reason)
    assert found["value"] == (None if expected.value is None else pytest.approx(expected.value, rel=1e-5))
