from __future__ import annotations

import polars as pl
import pytest

from jobs.viewership.uploads.formats.model import Step
from jobs.viewership.uploads.formats.steps import apply_steps


def _apply(texts, *steps):
    return apply_steps(pl.Series("x", texts, dtype=pl.String), [Step.model_validate(step) for step in steps]).to_list()


@pytest.mark.parametrize(
    ("step", "text", "expected"),
    [
        ({"split": {"separator": "-", "index": 0}}, "Plex-US-web", "Plex"),
        ({"split": {"separator": "-", "index": 1}}, "Plex - US - web", "US"),
        ({"split": {"separator": "-", "index": -1}}, "Plex-US-web", "web"),
        ({"split": {"separator": "-", "index": 3}}, "Plex-US-web", None),
        ({"split": {"separator": ".", "index": 1}}, "a.b", "b"),
        ({"split": {"separator": "-", "index": 1}}, "Plex-", None),
        ({"extract": {"pattern": " - Season - ([0-9]+)"}}, "Court - Season - 5 - Episode - 79", "5"),
        ({"extract": {"pattern": "[A-Z]{2}-[0-9]{4}", "group": 0}}, "x_HL-0103_HD", "HL-0103"),
        ({"extract": {"pattern": "^S([0-9]+)"}}, "The Storm", None),
        ({"remove_prefix": "Channel: "}, "channel: Lantern", "Lantern"),
        ({"remove_prefix": "a.c"}, "abc", "abc"),
        ({"values": {"TRUE": "short", "false": "video"}}, " true ", "short"),
        ({"values": {"US": "United States"}}, "CA", "CA"),
        ({"values": {"-": ""}}, "-", None),
    ],
)
def test_a_step(step, text, expected):
    assert _apply([text, None], step) == [expected, None]


def test_steps_follow_one_another():
    steps = (
        {"split": {"separator": "|", "index": 1}},
        {"remove_prefix": "Region:"},
        {"values": {"us": "United States"}},
    )
    assert _apply(["A | Region: US | x", "A"], *steps) == ["United States", None]


def test_no_step_leaves_texts_as_they_are():
    assert _apply(["a ", "", None]) == ["a ", None, None]
