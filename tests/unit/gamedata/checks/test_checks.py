from __future__ import annotations

import json
import math
import textwrap

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.gamedata.checks import SessionStatistics, frames_check, statistics_check
from jobs.gamedata.checks.load import CheckFile, load_built_in, load_checks
from jobs.gamedata.checks.ragged import Frames
from jobs.gamedata.checks.registry import Registry, collect
from jobs.gamedata.checks.run import CheckError, run_statistics
from jobs.gamedata.parts.schema import PART_SCHEMA
from jobs.gamedata.settings import ManifestSettings
from shared import secrets
from shared.errors import Stopped, UsageError
from tests.fakes import parts

SETTINGS = ManifestSettings()
SHORT = (3.0, 6.0, 9.0, 12.0)
EVEN = (1.5, 4.5, 7.5, 10.5)  # of 12 s: each frame stands for 3 s


def table(*rows):
    return pl.DataFrame([dict(row) for row in rows], schema=pl.from_arrow(PART_SCHEMA.empty_table()).schema)


def judge(*rows, settings=SETTINGS, registry=None):
    checks = [check for check in (registry or load_built_in()) if check.kind == "statistics"]
    found = run_statistics(checks, table(*rows), settings)
    assert not any(found.errors.values()), dict(found.errors)
    return pl.DataFrame(list(found.values.values())).to_dicts()


def one(row, **settings):
    return judge(row, settings=ManifestSettings(**settings))[0]


def test_a_session_is_dark_when_more_than_half_of_its_time_is():
    at = one(parts.part_row("a.tar", times=EVEN, duration_s=12.0, luma_mean=[14.9, 14.9, 15.0, 200.0]))
    assert at["dark_frame_share"] == 0.5
    assert at["is_video_mostly_dark"] is False
    above = one(parts.part_row("a.tar", times=EVEN, duration_s=12.0, luma_mean=[14.9, 14.9, 3.0, 200.0]))
    assert above["is_video_mostly_dark"] is True
    assert above["dark_luma_threshold"] == 15.0


def test_the_darkness_of_few_bright_frames_is_no_mean():
    # The original took the mean over all pixels: one white frame made a black session bright.
    row = parts.part_row("a.tar", times=EVEN, duration_s=12.0, luma_mean=[2.0, 2.0, 2.0, 255.0])
    assert one(row)["is_video_mostly_dark"] is True


def test_a_black_beginning_does_not_speak_for_the_session():
    # 15 of 29 frames lie in the first 45 s of 600.
    found = one(parts.dark(share=15 / len(parts.TIMES)))
    assert found["dark_frame_share"] == pytest.approx(0.0875)
    assert found["is_video_mostly_dark"] is False


@pytest.mark.parametrize(
    ("times", "static_share", "median", "expected"),
    [
        (EVEN, math.nan, 8.0, True), (EVEN, math.nan, 15.0, False), (EVEN, 0.1, 8.0, False), (EVEN, 0.9, 8.0, False),
        ((3.0,), math.nan, 8.0, False),
    ],
    ids=["nothing in the middle", "a lit half", "ships before stars", "a menu on black", "a lone frame"],
)  # fmt: skip
def test_a_bright_hud_does_not_light_a_game_that_cannot_be_seen(times, static_share, median, expected):
    row = parts.part_row("a.tar", times=times, luma_mean=40.0, luma_p50=median, static_share=static_share)
    assert one(row)["is_video_mostly_dark"] is expected


def test_darkness_thresholds_are_settings_and_columns():
    row = parts.part_row("a.tar", times=EVEN, duration_s=12.0, luma_mean=[30.0, 30.0, 90.0, 90.0])
    found = one(row, dark_luma=40.0, dark_share=0.4)
    assert found["is_video_mostly_dark"] is True
    assert (found["dark_luma_threshold"], found["dark_share_threshold"]) == (40.0, 0.4)


def test_nothing_is_known_of_a_session_without_frames():
    found = one(parts.part_row("a.tar", times=()))
    for column in ("is_video_mostly_dark", "is_dpi_scale_issue", "video_menu_percent", "is_video_mostly_menu"):
        assert found[column] is None, column
    assert found["is_session_empty"] is True
    assert found["empty_reason"] == "no_frames"


def test_sessions_without_frames_stand_between_others():
    found = judge(parts.dark("a.tar"), parts.part_row("b.tar", times=()), parts.gameplay("c.tar"), parts.bars("d.tar"))
    assert [row["is_video_mostly_dark"] for row in found] == [True, None, False, False]
    assert [row["is_dpi_scale_issue"] for row in found] == [False, None, False, True]


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        ("top bottom", True), ("left right", True), ("top bottom left right", True),
        ("top", False), ("top left", False), ("bottom right", False), ("", False),
    ],
)  # fmt: skip
def test_bars_are_two_facing_sides(sides, expected):
    assert one(parts.bars(sides=sides))["is_dpi_scale_issue"] is expected


def test_thin_bars_are_rounding():
    assert one(parts.bars(width=1 / 90))["is_dpi_scale_issue"] is False
    assert one(parts.bars(sides="left right", width=8 / 160))["is_dpi_scale_issue"] is True


def test_black_bar_share_is_of_the_picture():
    assert one(parts.bars(width=0.1))["black_bar_share"] == pytest.approx(0.2)
    assert one(parts.gameplay())["black_bar_share"] == 0.0


@pytest.mark.parametrize("share", [1.0, 0.8])
def test_a_dark_session_has_no_bars(share):
    assert one(parts.dark(share=share))["is_dpi_scale_issue"] is False


def test_a_black_first_frame_is_no_bar():
    # The original looked at this frame alone.
    assert one(parts.dark(share=1 / len(parts.TIMES)))["is_dpi_scale_issue"] is False


def blackened(row, frames):
    for index in frames:
        row["frame_luma_mean"][index], row["frame_luma_p99"][index] = 1.0, 5.0
        for side in ("top", "bottom", "left", "right"):
            row[f"frame_border_{side}"][index] = 1.0
    return row


@pytest.mark.parametrize("black", [1, 10, len(parts.TIMES) - 3])
def test_black_frames_do_not_veto_bars(black):
    assert one(blackened(parts.bars(), range(black)))["is_dpi_scale_issue"] is True


def test_one_lit_frame_among_black_ones_does_not_prove_bars():
    found = one(blackened(parts.bars(), range(len(parts.TIMES) - 1)))
    assert found["is_dpi_scale_issue"] is False


@pytest.mark.parametrize(
    ("sides", "lit", "frames", "expected"),
    [
        ("top bottom", "top bottom", 1, False), ("left right", "left right", 1, False),
        ("top bottom", "bottom", 12, True), ("top bottom", "bottom", 16, False), ("left right", "right", 12, False),
        ("left right", "right", 2, True),
    ],
    ids=["both", "both", "subtitles", "a HUD", "the dark around a lamp", "a notification"],
)  # fmt: skip
def test_light_in_the_bars(sides, lit, frames, expected):
    row = parts.bars(sides=sides)
    for side in lit.split():
        row[f"frame_border_{side}"][7 : 7 + frames] = [0.02] * frames
    assert one(row)["is_dpi_scale_issue"] is expected


def test_black_around_something_lit_that_flickers_by_two_cells_is_no_bar():
    ends = (np.random.default_rng(3).integers(36, 40, (2, len(parts.TIMES))) / 160).tolist()
    row = parts.part_row("lamp.tar", luma_mean=30.0, border_left=ends[0], border_right=ends[1])
    assert one(row)["is_dpi_scale_issue"] is False


def test_dim_scenes_between_bars_are_no_proof_and_no_veto():
    dim = np.arange(len(parts.TIMES)) < 15
    row = parts.bars(luma_mean=np.where(dim, 5.0, 60.0), border_top=np.where(dim, 0.3, 0.12))
    assert one(row)["is_dpi_scale_issue"] is True


def test_a_line_of_text_in_the_dark_has_no_bars():
    row = parts.part_row("text.tar", luma_mean=3.0, border_top=0.94, border_left=0.32, border_right=0.33)
    assert one(row)["is_dpi_scale_issue"] is False


def test_a_night_scene_with_wandering_black_edges_has_no_bars():
    wander = np.random.default_rng(3).uniform(0.03, 0.45, len(parts.TIMES))
    row = parts.part_row("night.tar", luma_mean=18.0, border_top=wander, border_bottom=wander[::-1])
    assert one(row)["is_dpi_scale_issue"] is False


def test_something_lit_in_a_dark_room_has_no_bars():
    # nasa_13013.mp4, as it is measured.
    row = parts.part_row(
        "nasa.tar", times=SHORT, luma_mean=[9.9, 17.8, 16.7, 14.7], luma_p99=[119.0, 115.0, 115.0, 113.0],
        border_left=[0.206, 0.188, 0.212, 0.244], border_right=[0.181, 0.088, 0.112, 0.106],
    )  # fmt: skip
    assert one(row)["is_dpi_scale_issue"] is False


def test_a_dim_picture_between_black_edges_has_no_bars():
    assert one(parts.bars(luma_mean=6.0))["is_dpi_scale_issue"] is False


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0.0, 0.0), (0.4, 0.3, 0.5), (1.0, 1.0, 1.0)])
def test_menu_share_is_a_share_of_the_time(share, low, high):
    found = one(parts.menu(share=share))
    assert low <= found["video_menu_percent"] <= high
    assert found["menu_method"] == "static"
    assert found["is_video_mostly_menu"] is (share > 0.5)
    assert found["menu_flag_threshold"] == 0.5


def test_a_menu_at_the_start_does_not_speak_for_the_session():
    # 15 of 29 frames lie in the first 45 s of 600.
    assert one(parts.menu(share=46 / 600))["video_menu_percent"] == pytest.approx(0.0875)


def test_menu_threshold_is_a_setting():
    found = one(parts.menu(share=0.4), menu_threshold=0.3)
    assert found["is_video_mostly_menu"] is True
    assert found["menu_flag_threshold"] == 0.3


def test_a_hud_in_the_dark_is_no_menu():
    assert one(parts.menu(luma_mean=9.0))["video_menu_percent"] == 0.0


def test_frames_without_texture_are_no_menu_and_a_lone_one_says_nothing():
    assert one(parts.part_row("a.tar", times=SHORT, static_share=math.nan))["video_menu_percent"] == 0.0
    lone = one(parts.part_row("a.tar", times=(3.0,), static_share=math.nan))
    assert (lone["video_menu_percent"], lone["menu_method"], lone["is_video_mostly_menu"]) == (None, None, None)


@pytest.mark.parametrize(
    ("keyboard", "mouse", "gamepad", "expected"),
    [
        (900, 3000, 0, "keyboard_mouse"), (3, 0, 0, "keyboard_mouse"), (0, 40, 900, "gamepad"), (0, 0, 5, "gamepad"),
        (500, 500, 800, "mixed"), (900, 3000, 30, "keyboard_mouse"), (0, 0, 0, "none"),
    ],
)  # fmt: skip
def test_input_device_class_of_parts_that_know_no_seconds(keyboard, mouse, gamepad, expected):
    events = keyboard + mouse + gamepad + 2
    row = parts.gameplay(
        input_keyboard=keyboard, input_mouse=mouse, input_gamepad=gamepad, input_events=events,
        input_desk_s=None, input_gamepad_s=None,
    )  # fmt: skip
    found = one(row)
    assert found["input_device_class"] == expected
    assert found["is_session_empty"] is (expected == "none")


@pytest.mark.parametrize(
    ("events", "seconds", "expected"),
    [
        ((0, 9000, 9000), (20, 500), "gamepad"),  # a mouse that was nudged, at a thousand reports a second
        ((300, 0, 18000), (250, 300), "mixed"),  # two keys a second, and sticks
        ((900, 3000, 4000), (540, 50), "keyboard_mouse"),
        ((10, 10, 10), (80, 20), "mixed"),
    ],
)
def test_devices_are_told_by_the_time_that_they_were_used(events, seconds, expected):
    columns = dict(zip(("input_keyboard", "input_mouse", "input_gamepad"), events, strict=True))
    row = parts.gameplay(**columns, input_desk_s=seconds[0], input_gamepad_s=seconds[1])
    assert one(row)["input_device_class"] == expected


INPUTS = [name for name in PART_SCHEMA.names if name.startswith("input_")]


def test_without_inputs_their_columns_are_null():
    found = one(parts.gameplay(**dict.fromkeys(INPUTS)))
    for column in ("input_device_class", "has_unusable_timestamps", "timestamps_reason"):
        assert found[column] is None
    assert found["is_session_empty"] is False


def test_a_black_session_is_empty():
    assert one(parts.dark())["empty_reason"] == "black"
    assert one(parts.dark(share=0.9))["is_session_empty"] is False


@pytest.mark.parametrize(("darkest", "lightest", "expected"), [(3.0, 6.0, True), (0.0, 3.0, True), (1.0, 9.0, False)])
def test_a_game_in_pitch_darkness_is_not_black(darkest, lightest, expected):
    row = parts.dark(luma_mean=4.0, luma_p01=darkest, luma_p99=lightest)
    assert one(row)["is_session_empty"] is expected


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"input_integer_timestamps": True}, "integer"),
        ({"input_unordered": 21}, "unordered"),
        ({"input_unordered": 20}, None),
        ({"input_invalid": 3000}, "invalid"),
        ({"input_last_s": 1758121200.25 + 1300}, "span"),
        ({"input_last_s": 1758121200.25 + 299}, "span"),
        ({"input_last_s": 1758121200.25 + 301}, None),
        ({"duration_s": 100.0, "input_last_s": 1758121200.25 + 45}, None),
        ({"duration_s": None, "input_last_s": 1758121200.25 + 9000}, None),
        ({}, None),
    ],
)
def test_unusable_timestamps(columns, reason):
    found = one(parts.gameplay(**columns))
    assert found["timestamps_reason"] == reason
    assert found["has_unusable_timestamps"] is (reason is not None)


def test_timestamps_of_an_empty_file_are_not_known():
    found = one(parts.gameplay(**(dict.fromkeys(INPUTS, 0) | {"input_integer_timestamps": True})))
    assert found["has_unusable_timestamps"] is None


def test_the_share_of_menus_has_two_names_and_one_value():
    found = judge(parts.menu("a.tar", share=0.4), parts.gameplay("b.tar"), parts.part_row("c.tar", times=(1.0,)))
    assert [row["menu_share"] for row in found] == [row["video_menu_percent"] for row in found]
    assert found[0]["menu_share"] == pytest.approx(0.4, abs=0.1)
    assert found[2]["menu_share"] is None
    alone = [check for check in load_built_in() if check.name == "menu_share"]
    assert judge(parts.menu("a.tar", share=0.4), registry=alone)[0]["menu_share"] == found[0]["menu_share"]


def test_built_in_columns_do_not_depend_on_the_order_of_imports():
    names = [check.name for check in load_built_in()]
    assert names[:4] == ["is_video_mostly_dark", "is_dpi_scale_issue", "video_menu_percent", "is_video_mostly_menu"]


def test_a_check_is_one_decorated_function():
    with collect(load_built_in()) as registry:

        @statistics_check("frames_seen", int)
        def frames_seen(session, settings):
            return len(session.frames.time_s)

        @statistics_check("brightest", float, vectorised=True, reads=("frame_luma_mean",))
        def brightest(rows, settings):
            return rows["frame_luma_mean"].list.max()

    found = judge(parts.gameplay(), parts.dark(), registry=registry)
    assert [row["frames_seen"] for row in found] == [len(parts.TIMES)] * 2
    assert found[1]["brightest"] == 2.0
    assert list(found[0])[-2:] == ["frames_seen", "brightest"]


def test_a_session_reads_like_the_model():
    seen = []
    with collect(Registry()) as registry:

        @statistics_check("look", bool)
        def look(session: SessionStatistics, settings):
            seen.append(session)
            return True

    judge(parts.gameplay(signatures=[parts.signature(i) for i in range(len(parts.TIMES))]), registry=registry)
    (session,) = seen
    assert session.video_metadata["format"]["duration"] == "600.000000"
    assert session.session_metadata["game_exe"] == "game.exe"
    assert session.inputs.keyboard == 900
    assert session.frames.signature.shape == (len(parts.TIMES), 9, 16, 3)
    np.testing.assert_array_equal(session.frames.signature[3], parts.signature(3))
    assert session.frames.luma_mean.dtype == np.float32


def failing(registry, rows, *, name="bad"):
    found = run_statistics(list(registry), table(*rows), SETTINGS)
    return found.values[name].to_list(), {
        row: [error.message for error in of] for row, of in found.errors.items() if of
    }


@pytest.mark.parametrize("vectorised", [False, True])
def test_a_raising_check_fails_in_its_row_only(vectorised):
    with collect(Registry()) as registry:

        @statistics_check("bad", str, vectorised=vectorised)
        def bad(rows, settings):
            keys = rows["s3_key"].to_list() if vectorised else [rows.s3_key]
            if "k4.tar" in keys:
                raise ValueError("no such game")
            return pl.Series(keys) if vectorised else keys[0]

    values, errors = failing(registry, [parts.gameplay(f"k{i}.tar") for i in range(9)])
    assert values == [None if i == 4 else f"k{i}.tar" for i in range(9)]
    assert errors == {4: ["bad: ValueError: no such game"]}


@pytest.mark.parametrize(
    ("dtype", "value", "message"),
    [
        (bool, 1, "column bad is bool; the check returned int"),
        (int, True, "column bad is int; the check returned bool"),
        (int, 1 << 70, "does not fit in 64 bits"),
        (float, "1", "column bad is float; the check returned str"),
        (str, b"x", "column bad is str; the check returned bytes"),
    ],
)
def test_a_value_of_another_type_is_the_checks_error(dtype, value, message):
    with collect(Registry()) as registry:
        statistics_check("bad", dtype)(lambda session, settings: value)
    values, errors = failing(registry, [parts.gameplay()])
    assert values == [None]
    assert message in errors[0][0]


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        (float, math.nan, None), (float, 3, 3.0), (float, np.float32(0.5), 0.5), (int, np.int64(7), 7),
        (bool, np.bool_(True), True), (str, "\ud800", "?"), (bool, None, None),
    ],
)  # fmt: skip
def test_values_are_taken_as_their_column(dtype, value, expected):
    with collect(Registry()) as registry:
        statistics_check("bad", dtype)(lambda session, settings: value)
    assert failing(registry, [parts.gameplay()]) == ([expected], {})


def test_a_check_that_ends_the_process_only_fails():
    with collect(Registry()) as registry:

        @statistics_check("bad", bool)
        def bad(session, settings):
            raise SystemExit(3)

    assert failing(registry, [parts.gameplay()]) == ([None], {0: ["bad: SystemExit: 3"]})


class Unprintable(Exception):
    def __str__(self):
        raise ValueError("no text")


def test_whatever_a_check_raises_is_an_error_of_its_row_that_can_be_stored():
    raised = [
        pl.exceptions.PanicException("a bug in polars"), BaseException("not an Exception"), GeneratorExit(),
        Unprintable(), ValueError("\ud800"), ValueError("x" * 100_000),
    ]  # fmt: skip
    assert not isinstance(raised[0], Exception)
    rows = [parts.gameplay(f"{number}.tar", times=SHORT) for number in range(len(raised) + 1)]
    for vectorised in (False, True):
        with collect(Registry()) as registry:

            @statistics_check("bad", int, vectorised=vectorised)
            def bad(given, settings, vectorised=vectorised):
                keys = given["s3_key"].to_list() if vectorised else [given.s3_key]
                for key in keys:
                    if int(key[0]) < len(raised):
                        raise raised[int(key[0])]
                return pl.Series([7] * len(keys)) if vectorised else 7

        values, errors = failing(registry, rows)
        assert values == [None] * len(raised) + [7]
        messages = [errors[number][0] for number in range(len(raised))]
        assert messages[:3] == [
            "bad: PanicException: a bug in polars", "bad: BaseException: not an Exception", "bad: GeneratorExit: ",
        ]  # fmt: skip
        assert messages[3:5] == ["bad: Unprintable: its message cannot be shown", "bad: ValueError: ?"]
        assert len(messages[5]) == 8000
        assert pl.Series(messages, dtype=pl.String).to_list() == messages


def test_a_long_message_never_ends_with_half_a_secret():
    """A truncated secret would not be recognised where the manifest hides secrets."""
    secrets.remember("hunter2-hunter2")
    for missing in range(-4, 16):
        text = "x" * (8000 - len("bad: ValueError: ") - missing) + "hunter2-hunter2" + "y" * 9000
        message = CheckError.of("bad", ValueError(text)).message
        assert len(message) == 8000
        assert "hu" not in message


@pytest.mark.parametrize("signal", [KeyboardInterrupt(), Stopped(15)])
def test_a_signal_is_not_the_checks_error(signal):
    for vectorised in (False, True):
        with collect(Registry()) as registry:

            @statistics_check("bad", bool, vectorised=vectorised)
            def bad(given, settings):
                raise signal

        with pytest.raises(type(signal)):
            failing(registry, [parts.gameplay()])


def test_a_vectorised_check_of_wrong_length_or_type_fails():
    with collect(Registry()) as registry:
        statistics_check("bad", int, vectorised=True)(lambda rows, settings: pl.Series([1]))
    values, errors = failing(registry, [parts.gameplay("a.tar"), parts.gameplay("b.tar")])
    assert values == [1, 1]  # rows are judged alone when the whole does not work
    with collect(Registry()) as registry:
        statistics_check("bad", int, vectorised=True)(lambda rows, settings: pl.Series(["x"] * len(rows)))
    values, errors = failing(registry, [parts.gameplay("a.tar"), parts.gameplay("b.tar")])
    assert values == [None, None]
    assert sorted(errors) == [0, 1]


def test_a_vectorised_check_that_always_raises_costs_no_more_than_its_budget():
    calls = []
    with collect(Registry()) as registry:

        @statistics_check("bad", bool, vectorised=True)
        def bad(rows, settings):
            calls.append(len(rows))
            raise ValueError("never")

    values, errors = failing(registry, [parts.gameplay(f"{i}.tar", times=SHORT) for i in range(3000)])
    assert values == [None] * 3000
    assert len(errors) == 3000
    assert len(calls) < 2000


def test_a_check_may_fill_several_columns():
    with collect(Registry()) as registry:
        statistics_check("a", int, also={"b": str})(lambda session, settings: {"a": 1, "b": "x"})
        statistics_check("c", int, also={"d": str})(lambda session, settings: {"c": 1, "e": 2})
        statistics_check("f", int, also={"g": str})(lambda session, settings: None)
    found = run_statistics(list(registry), table(parts.gameplay()), SETTINGS)
    assert {name: series[0] for name, series in found.values.items()} == {
        "a": 1, "b": "x", "c": None, "d": None, "f": None, "g": None,
    }  # fmt: skip
    assert found.errors[0][0].message == "c: TypeError: returned the undeclared column 'e'; expected c, d"


@pytest.mark.parametrize(
    ("name", "dtype", "message"),
    [
        ("Bad Name", bool, "lower-case"), ("s3_key", str, "is a column of the manifest"),
        ("is_video_mostly_dark", bool, "defined twice"), ("fine", dict, "expected one of bool, int, float, str"),
    ],
)  # fmt: skip
def test_a_bad_definition_is_refused(name, dtype, message):
    with collect(load_built_in()), pytest.raises(ValueError, match=message):
        frames_check(name, dtype)(lambda data, settings: None)


def write(tmp_path, text, name="mine.py") -> CheckFile:
    path = tmp_path / name
    path.write_text(textwrap.dedent(text))
    return CheckFile.read(str(path))


def test_a_researchers_file_adds_its_checks(tmp_path):
    file = write(
        tmp_path,
        """
        from __future__ import annotations

        from dataclasses import dataclass

        from jobs.gamedata.checks import SessionStatistics, statistics_check

        @dataclass
        class Limit:
            value: float = 100.0

        @statistics_check("is_long", bool)
        def is_long(session: SessionStatistics, settings) -> bool | None:
            return None if session.duration_s is None else session.duration_s > Limit().value
        """,
    )
    registry = load_checks([file])
    assert judge(parts.gameplay(), registry=registry)[0]["is_long"] is True
    assert registry.checks["is_long"].digest == file.digest
    assert "is_long" not in load_built_in().checks
    assert "is_long" in load_checks([file]).checks  # a second time in the same process


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "no check is defined"),
        ("def f(:", "SyntaxError"),
        ("x = 1\nimport no_such_module", "line 2: ModuleNotFoundError"),
        ("raise SystemExit('bye')", "line 1: SystemExit: bye"),
        (
            "from jobs.gamedata.checks import statistics_check\nstatistics_check('error', str)(lambda session, _: '')",
            "is a column of the manifest",
        ),
        (
            "from jobs.gamedata.checks import *\nstatistics_check('a', int, reads=('decoded', 'size'))(lambda s, _: 1)",
            "check a reads 'size', which is not a column of a part",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_a_usage_error(tmp_path, text, message):
    with pytest.raises(UsageError, match="--checks") as caught:
        load_checks([write(tmp_path, text)])
    assert message in str(caught.value)


def test_an_absent_file_is_named():
    with pytest.raises(UsageError, match=r"--checks nowhere\.py cannot be read"):
        CheckFile.read("nowhere.py")


def test_a_file_is_judged_by_the_path_that_is_opened(tmp_path):
    """The system follows the link `team` before it resolves `..`."""
    places, outside = tmp_path / "places", tmp_path / "outside"
    for folder in (places, outside / "team"):
        folder.mkdir(parents=True)
    (places / "team").symlink_to(outside / "team")
    for folder in (places, outside):
        (folder / "mine.py").write_text(f"# {folder.name}")
    assert CheckFile.read(f"{places}/mine.py", [f"file://{places}"]).source == b"# places"
    with pytest.raises(UsageError, match="is not in a folder for checks"):
        CheckFile.read(f"{places}/team/../mine.py", [f"file://{places}"])


@given(
    st.lists(
        st.tuples(
            st.lists(st.floats(0.1, 900, allow_nan=False), max_size=6, unique=True).map(sorted),
            st.none() | st.floats(0.1, 1000),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_frames_share_the_time_out(sessions):
    frame = pl.DataFrame(
        {"s3_key": [str(i) for i in range(len(sessions))], "frame_time_s": [times for times, _ in sessions],
         "duration_s": [duration for _, duration in sessions]},
        schema={"s3_key": pl.String, "frame_time_s": pl.List(pl.Float64), "duration_s": pl.Float64},
    )  # fmt: skip
    frames = Frames.of(frame)
    seconds = frames.seconds()
    assert (seconds >= 0).all()
    for index, (times, duration) in enumerate(sessions):
        mine = seconds[frames.row == index]
        assert len(mine) == len(times)
        if times and duration and duration > times[-1]:
            assert mine.sum() == pytest.approx(duration)
        elif times:
            assert mine.sum() > 0


def test_lists_of_another_length_are_an_error():
    row = parts.gameplay()
    row["frame_luma_mean"] = [1.0]
    found = run_statistics(list(load_built_in()), table(row), SETTINGS)
    assert "differs in length" in found.errors[0][0].message
    assert json.loads(row["session_metadata"])
