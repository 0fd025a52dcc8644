"""Floors under the checks' precision and recall, over variants that no threshold was tuned on.

`make bench` scores more of them, all through real videos, alongside the original's rules; docs/checks.md has the table.
"""

from __future__ import annotations

import functools

import polars as pl
import pytest

from jobs.gamedata.checks.built_in import empty, evidence, inputs, menu, timestamps, vision
from tests.detectors.inputs import input_kinds, input_variant
from tests.detectors.kinds import CHECKS, HELD_OUT, all_kinds
from tests.detectors.measured import measured
from tests.detectors.score import DEVICES, count, count_inputs, input_rows, judge, references_of

SEED = HELD_OUT + 500_000
CLOCK = "has_unusable_timestamps"
# One wrong session of these few is 5 points of a precision: `make bench` has the figures, these are floors.
FLOORS = {
    "is_video_mostly_dark": (0.95, 0.9),
    "is_dpi_scale_issue": (0.95, 0.9),
    "is_video_mostly_menu": (0.85, 0.85),
    "is_session_empty": (0.95, 0.9),
    **dict.fromkeys(DEVICES, (0.95, 0.9)),
    CLOCK: (0.95, 0.9),
}
# One worker draws them all, once.
pytestmark = [pytest.mark.xdist_group("detectors"), pytest.mark.slow]


@functools.cache
def sessions():
    """One of every kind, an eighth of them through a real video; two of those with bars.

    Drawing one takes 0.3 s of processor time. Of nine kinds with bars, a floor of 0.9 would allow no miss at all.
    """
    kinds = all_kinds()
    return [
        measured(name, SEED + seed, "tar" if (number + seed) % 8 == 0 else "pictures")
        for seed in range(2)
        for number, name in enumerate(kinds)
        if seed == 0 or kinds[name].truth.of("is_dpi_scale_issue")
    ]


@functools.cache
def recordings():
    return [input_variant(name, SEED + seed) for seed in range(2) for name in input_kinds()]


@functools.cache
def input_table():
    return input_rows(recordings())


def found(said=None, **settings):
    """Count every check, of what is judged now or of given verdicts."""
    pictures = judge([item.row for item in sessions()], **settings) if said is None else said(sessions())
    counts = {check: count(sessions(), pictures, check) for check in CHECKS}
    events = judge(input_table(), **settings) if said is None else said(recordings())
    return counts | {label: count_inputs(recordings(), events, label) for label in (*DEVICES, CLOCK)}


def missed(counts, *names):
    return {name: missing for name in names or FLOORS if (missing := counts[name].misses(*FLOORS[name]))}


def test_every_class_has_both_answers():
    counts = found()
    for name, cell in counts.items():
        assert cell.tp + cell.fn >= 4, name
        assert cell.fp + cell.tn >= 10, name


@pytest.mark.parametrize("check", FLOORS)
def test_precision_and_recall_keep_their_floors(check):
    assert not missed(found(), check), found()[check]


@pytest.mark.parametrize("answer", [True, False])
def test_a_constant_detector_does_not(answer):
    device = {True: "mixed", False: "none"}[answer]
    verdict = {**dict.fromkeys(CHECKS, answer), CLOCK: answer, "input_device_class": device}
    assert set(missed(found(lambda items: [verdict] * len(items)))) == set(FLOORS)


@pytest.mark.parametrize("device", DEVICES)
def test_nor_does_one_that_gives_every_session_the_same_device(device):
    verdict = {**dict.fromkeys(CHECKS, False), CLOCK: False, "input_device_class": device}
    assert set(DEVICES) <= set(missed(found(lambda items: [verdict] * len(items))))


@pytest.mark.parametrize(
    ("module", "name", "value", "check"),
    [
        (menu, "STATIC_SHARE", 0.06, "is_video_mostly_menu"),
        (menu, "STATIC_SHARE", 0.95, "is_video_mostly_menu"),
        (vision, "MIN_BAR", 0.2, "is_dpi_scale_issue"),
        (vision, "MIN_BAR", 0.0, "is_dpi_scale_issue"),
        (vision, "STEADY_SHARE", 1.0, "is_dpi_scale_issue"),
        (vision, "LIT_LUMA", 150.0, "is_dpi_scale_issue"),
        (empty, "PLAIN", 40.0, "is_session_empty"),
        (empty, "BLACK_P99", 1.0, "is_session_empty"),
        (inputs, "MIN_DEVICE_TIME", 0.015, "gamepad"),
        (inputs, "MIN_DEVICE_TIME", 0.5, "mixed"),
        (timestamps, "MAX_UNORDERED_SHARE", 1.0, CLOCK),
        (timestamps, "MAX_SPAN_FACTOR", 20.0, CLOCK),
        (evidence, "MAX_INVALID_SHARE", 50.0, CLOCK),
    ],
    ids=lambda value: value.__name__.rpartition(".")[2] if hasattr(value, "__name__") else str(value),
)
def test_a_slip_in_a_threshold_falls_below_a_floor(monkeypatch, module, name, value, check):
    monkeypatch.setattr(module, name, value)
    assert missed(found(), check)


@pytest.mark.parametrize(
    ("settings", "check"),
    [
        ({"dark_luma": 5.0}, "is_video_mostly_dark"), ({"dark_luma": 50.0}, "is_video_mostly_dark"),
        ({"dark_share": 0.05}, "is_video_mostly_dark"), ({"dark_share": 0.95}, "is_video_mostly_dark"),
        ({"menu_threshold": 0.95}, "is_video_mostly_menu"),
    ],
    ids=str,
)  # fmt: skip
def test_a_slip_in_a_setting_falls_below_a_floor(settings, check):
    assert missed(found(**settings), check)


def test_references_find_menus_that_the_static_cue_cannot():
    table = [item.row for item in sessions()]
    references = references_of(picture for item in sessions() for picture in item.references)
    check = "is_video_mostly_menu"
    static, both = (count(sessions(), judge(table, of), check, untold=None) for of in (None, references))
    assert both.recall > static.recall + 0.1
    assert both.fp <= static.fp + 1


def test_the_original_misses_what_is_found_here():
    theirs = [item.original for item in sessions()]
    counts = found()
    for check in CHECKS:
        assert count(sessions(), theirs, check).misses(*FLOORS[check]), check
        assert not counts[check].misses(*FLOORS[check]), check


def test_rows_through_a_video_and_from_pictures_are_alike():
    name = "letterbox"
    first, second = (measured(name, SEED, way).row for way in ("tar", "pictures"))
    for column in ("frame_luma_mean", "frame_border_top"):
        means = [pl.Series(row[column]).cast(pl.Float64).mean() for row in (first, second)]
        assert means[0] == pytest.approx(means[1], rel=0.1), column
