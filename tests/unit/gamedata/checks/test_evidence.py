"""Each built-in check returns only what its data supports; otherwise NULL, with the reason in a state column."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from jobs.gamedata.checks.load import load_built_in
from jobs.gamedata.checks.run import run_statistics
from jobs.gamedata.extraction._rows import session_columns
from jobs.gamedata.members.inputs import read_inputs
from jobs.gamedata.parts.schema import PART_SCHEMA
from jobs.gamedata.settings import ManifestSettings
from tests.fakes import parts
from tests.fakes.sessions import make_session

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTINGS = ManifestSettings()
HEADER = b"timestamp,event_type,event_args\n"
TIMES = (1.5, 4.5, 7.5, 10.5)  # of 12 s: each frame represents 3 s
INPUTS = [name for name in PART_SCHEMA.names if name.startswith("input_")]
PICTURE = ("is_video_mostly_dark", "dark_frame_share", "is_dpi_scale_issue", "black_bar_share")
MENU = ("video_menu_percent", "is_video_mostly_menu", "menu_method")


def judge(*rows: Mapping[str, Any], **more: list[Any]) -> list[dict[str, Any]]:
    table = pl.DataFrame([dict(row) for row in rows], schema=pl.from_arrow(PART_SCHEMA.empty_table()).schema)
    table = table.with_columns(pl.Series(name, values) for name, values in more.items())
    found = run_statistics([check for check in load_built_in() if check.kind == "statistics"], table, SETTINGS)
    assert not any(found.errors.values()), dict(found.errors)
    return pl.DataFrame(list(found.values.values())).to_dicts()


def with_inputs(content: bytes) -> dict[str, Any]:
    session = make_session(duration_s=12.0)
    session.inputs = read_inputs(content)
    columns = session_columns(session)
    return judge(parts.gameplay(**{name: columns[name] for name in INPUTS}))[0]


UNREADABLE = {
    "ISO timestamps": b'2025-09-17T14:59:42Z,KEYBOARD,"[87, true]"\n2025-09-17T15:09:42Z,END,[]\n',
    "decimal commas": b'1758121200,25,KEYBOARD,"[87, true]"\n1758121800,75,END,[]\n',
    "objects as arguments": b'1758121200.25,KEYBOARD,"{""key"": 87}"\n1758121800.75,END,{}\n',
    "two columns": b"1758121200.25,KEYBOARD\n1758121800.75,END\n",
    "semicolons": b"1758121200.25;KEYBOARD;[]\n",
    "tabs": b"1758121200.25\tKEYBOARD\t[]\n",
    "another character set": "1758121200.25,KEYBOARD,[]\n".encode("utf-16"),
    "one cut row": b"17581212",
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_inputs_without_a_readable_row_are_invalid_not_empty(name: str) -> None:
    found = with_inputs(HEADER + UNREADABLE[name])
    assert (found["has_unusable_timestamps"], found["timestamps_reason"]) == (True, "invalid")
    assert (found["is_session_empty"], found["empty_reason"]) == (False, None)
    assert found["input_device_class"] is None
    assert found["inputs_state"] == "invalid"


def test_unreadable_rows_may_be_the_missing_device_events() -> None:
    start_end = b"".join(b"175812%d.5,START,[]\n" % number for number in range(1200, 1800, 3))
    found = with_inputs(HEADER + start_end + b"x,KEYBOARD,[1]\n")
    assert found["input_device_class"] is None
    assert (found["is_session_empty"], found["inputs_state"]) == (False, "partly_invalid")
    readable = with_inputs(HEADER + start_end)
    assert (readable["input_device_class"], readable["empty_reason"]) == ("none", "no_inputs")
    assert readable["inputs_state"] == "ok"


@pytest.mark.parametrize(
    ("valid", "invalid", "state", "device"),
    [
        (200, 0, "ok", "keyboard_mouse"),
        (200, 1, "partly_invalid", "keyboard_mouse"),
        (200, 100, "partly_invalid", "keyboard_mouse"),  # a third
        (200, 101, "invalid", None),
        (200, 300, "invalid", None),
    ],
)
def test_up_to_a_third_of_the_rows_may_be_unreadable(valid: int, invalid: int, state: str, device: str | None) -> None:
    rows = b"".join(b"%.2f,KEYBOARD,[1]\n" % (1758121200.25 + 3 * number) for number in range(valid))
    found = with_inputs(HEADER + rows + b"x,KEYBOARD,[1]\n" * invalid)
    assert (found["inputs_state"], found["input_device_class"]) == (state, device)
    assert found["has_unusable_timestamps"] is (state == "invalid")
    assert found["timestamps_reason"] == ("invalid" if state == "invalid" else None)


def test_a_file_without_bytes_is_invalid_not_empty() -> None:
    found = with_inputs(b"")
    assert (found["inputs_state"], found["input_device_class"]) == ("invalid", None)
    assert (found["has_unusable_timestamps"], found["timestamps_reason"]) == (True, "invalid")
    assert (found["is_session_empty"], found["empty_reason"]) == (False, None)


def test_a_file_without_rows_has_no_events_and_no_timestamps() -> None:
    found = with_inputs(HEADER)
    assert (found["input_device_class"], found["empty_reason"]) == ("none", "no_inputs")
    assert (found["has_unusable_timestamps"], found["inputs_state"]) == (None, "no_rows")


def test_missing_inputs_differ_from_unrecorded_inputs() -> None:
    without = dict.fromkeys(INPUTS)
    missing, measured = judge(parts.gameplay(**without), parts.gameplay(**without, reader=None))
    assert (missing["inputs_state"], measured["inputs_state"]) == ("missing", "not_recorded")
    for found in (missing, measured):
        assert (found["input_device_class"], found["has_unusable_timestamps"]) == (None, None)
        assert found["is_session_empty"] is False


def picture(corrupt: list[bool], **columns: Any) -> dict[str, Any]:
    row = parts.part_row("a.tar", times=TIMES[: len(corrupt)], duration_s=12.0, **columns)
    return row | {"frame_corrupt": corrupt}


def test_damaged_frames_are_ignored() -> None:
    # The decoder filled in grey here; the two undamaged frames are black.
    grey = {f"luma_{name}": [black, 128.0, 128.0, black] for name, black in (("mean", 2.0), ("p99", 4.0), ("p01", 1.0))}
    half, sound = judge(picture([False, True, True, False], **grey), picture([False] * 4, **grey))
    assert (half["is_video_mostly_dark"], half["dark_frame_share"]) == (True, 1.0)
    assert (half["is_session_empty"], half["empty_reason"]) == (True, "black")
    assert half["frames_state"] == "partly_damaged"
    assert (sound["is_video_mostly_dark"], sound["dark_frame_share"]) == (False, 0.5)
    assert (sound["is_session_empty"], sound["frames_state"]) == (False, "ok")


def test_the_time_of_damaged_frames_goes_to_their_neighbours() -> None:
    found = judge(picture([False, True, False, False], luma_mean=[2.0, 90.0, 90.0, 90.0]))[0]
    assert found["dark_frame_share"] == pytest.approx(4.5 / 12)


def test_damaged_bars_and_menus_do_not_count() -> None:
    barred = judge(picture([True, True, True, False], border_top=[0.2] * 3 + [0.0], border_bottom=[0.2] * 3 + [0.0]))[0]
    assert (barred["is_dpi_scale_issue"], barred["black_bar_share"]) == (False, 0.0)
    menu = judge(picture([True, True, False, False], static_share=[0.9, 0.9, 0.1, 0.1]))[0]
    assert (menu["video_menu_percent"], menu["is_video_mostly_menu"]) == (0.0, False)
    alone = judge(picture([True, True, True, False], static_share=0.9))[0]
    assert [alone[name] for name in MENU] == [None, None, None]
    assert alone["frames_state"] == "partly_damaged"


@pytest.mark.parametrize("look", [{}, {"luma_mean": 1.0, "luma_p99": 2.0, "luma_p01": 0.0}], ids=["grey", "black"])
def test_nothing_is_known_if_all_frames_are_damaged(look: dict[str, float]) -> None:
    found = judge(picture([True] * 4, **look), model_menu_percent=[0.7])[0]
    assert [found[name] for name in (*PICTURE, *MENU, "is_session_empty", "empty_reason")] == [None] * 9
    assert found["frames_state"] == "damaged"


def test_damaged_frames_do_not_hide_that_nothing_was_played() -> None:
    unplayed = {"input_keyboard": 0, "input_mouse": 0, "input_events": 2}
    found = judge(picture([True] * 4) | unplayed)[0]
    assert (found["is_session_empty"], found["empty_reason"]) == (True, "no_inputs")


def test_a_single_frame_shows_darkness_but_not_menus() -> None:
    found = judge(picture([False], luma_mean=3.0))[0]
    assert (found["is_video_mostly_dark"], found["is_dpi_scale_issue"]) == (True, False)
    assert [found[name] for name in MENU] == [None] * 3
    assert found["frames_state"] == "single"


def test_without_frames_the_state_says_so() -> None:
    found = judge(parts.part_row("a.tar", times=()))[0]
    assert (found["frames_state"], found["empty_reason"]) == ("none", "no_frames")
    assert [found[name] for name in (*PICTURE, *MENU)] == [None] * 7


def test_every_null_has_a_reason_in_a_state_column() -> None:
    frames = [[], [False], [True], [False] * 4, [True] * 4, [False, True, False, False], [True, True, True, False]]
    inputs: list[dict[str, Any]] = [
        dict.fromkeys(INPUTS),
        *(
            {"input_events": events, "input_invalid": invalid, "input_keyboard": keys, "input_mouse": 0}
            for events, invalid, keys in itertools.product((0, 2, 9), (0, 1, 9), (0, 2))
            if keys <= events
        ),
    ]
    rows = [picture(corrupt) | columns for corrupt, columns in itertools.product(frames, inputs)]
    for row, found in zip(rows, judge(*rows), strict=True):
        about = {name: row[name] for name in ("frame_corrupt", "input_events", "input_invalid", "input_keyboard")}
        picture_known = found["frames_state"] in ("ok", "single", "partly_damaged")
        for name in PICTURE:
            assert (found[name] is not None) is picture_known, (about, name)
        if found["frames_state"] == "ok":
            assert all(found[name] is not None for name in MENU), about
        if found["is_session_empty"] is None:
            assert found["frames_state"] == "damaged", about
        if found["inputs_state"] == "ok":
            assert found["input_device_class"] is not None, about
            assert found["has_unusable_timestamps"] is not None, about
        if found["inputs_state"] in ("missing", "not_recorded", "invalid"):
            assert found["input_device_class"] is None, about
        if found["inputs_state"] == "partly_invalid":
            assert found["has_unusable_timestamps"] is not None, about
            assert found["input_device_class"] != "none", about
