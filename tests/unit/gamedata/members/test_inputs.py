from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.gamedata.members.inputs import read_inputs
from jobs.gamedata.model import InputStatistics
from shared.errors import ItemError
from tests.tars import START_S, inputs_csv

HEADER = b"timestamp,event_type,event_args\n"


def test_inputs_of_the_recorder_are_counted() -> None:
    found = read_inputs(inputs_csv(30, ("keyboard", "mouse", "gamepad"), per_second=10))
    assert found == InputStatistics(
        events=304,
        keyboard=100,
        mouse=100,
        gamepad=84,  # of 100: the other events are of a stick near its centre
        first_s=float(START_S),
        last_s=float(START_S + 30),
        integer_timestamps=False,
        unordered=0,
        invalid=0,
        desk_s=30,
        gamepad_s=30,
    )


def test_whole_second_timestamps_are_detected() -> None:
    assert read_inputs(inputs_csv(integer=True)).integer_timestamps
    assert read_inputs(HEADER + b"5.0,START,[]\n6,END,[]").integer_timestamps
    assert not read_inputs(HEADER).integer_timestamps


@pytest.mark.parametrize("content", [HEADER, b"\xef\xbb\xbf" + HEADER.replace(b"\n", b"\r\n")])
def test_no_events(content: bytes) -> None:
    found = read_inputs(content)
    assert (found.events, found.first_s, found.last_s, found.invalid) == (0, None, None, 0)


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf"])
def test_a_file_without_its_header_has_an_unreadable_line(content: bytes) -> None:
    """A recorder that was stopped before its first flush leaves no bytes, whatever was played."""
    found = read_inputs(content)
    assert (found.events, found.first_s, found.last_s, found.invalid) == (0, None, None, 1)


def test_quotes_blanks_and_line_ends_of_other_writers() -> None:
    content = (
        b'"timestamp","event_type","event_args"\r\n"1.5","KEYBOARD","[87, true]"\r\n\r\n'
        b'2.5 , MOUSE_MOVE , "[1, -2]"\r\n'
        b'3.5,SCROLL,[1]\r\n4.5,GAMEPAD_AXIS,"[0, 0.5]"\r\n5.5,focus,[]\r\n'
    )
    found = read_inputs(content)
    assert (found.events, found.keyboard, found.mouse, found.gamepad, found.invalid) == (5, 1, 2, 1, 0)


@pytest.mark.parametrize(
    "line",
    [
        b"x,START,[]", b"nan,START,[]", b"inf,START,[]", b"1e999,START,[]", b",START,[]", b"1.5,,[]", b"1.5,START",
        b"1.5,START,", b'1.5,KEYBOARD,"[87, tr', b"\xff\xfe\x00", b"1.5", b"[]",
    ],
)  # fmt: skip
def test_an_invalid_line_is_counted_and_affects_no_other(line: bytes) -> None:
    found = read_inputs(HEADER + b"1,START,[]\n" + line + b'\n3,KEYBOARD,"[87, true]"\n')
    assert (found.events, found.keyboard, found.invalid) == (2, 1, 1)


@pytest.mark.parametrize(
    ("times", "unordered"),
    [
        ("5.5 4.5 4.5 9 1", 3),
        ("1 2 3 4 5 6 3 4 5 6 7", 3),  # set back by 3 s, until it catches up
        ("1.00 1.02 1.01 1.03 0.95", 0),  # threads
        ("1.2 1.05", 1),
    ],
)
def test_rows_older_than_a_row_before_them_are_counted(times: str, unordered: int) -> None:
    found = read_inputs(HEADER + "".join(f"{time},A,[]\n" for time in times.split()).encode())
    assert found.unordered == unordered


def test_first_and_last_time_cover_all_rows() -> None:
    found = read_inputs(HEADER + b"5.5,A,[]\n4.5,B,[]\n9,D,[]\n1,E,[]")
    assert (found.first_s, found.last_s) == (1.0, 9.0)


@pytest.mark.parametrize(
    ("arguments", "held"),
    [
        (b'"[0, 0.24]"', 0), (b'"[3, -0.1]"', 0), (b'"[0, 0.25]"', 1), (b'"[1, -1]"', 1), (b"[0, 1e-9]", 0),
        (b'"[0, null]"', 1), (b'"[0, NaN]"', 1), (b"[0.5]", 1), (b"[]", 1), (b'"[0, 0.9 ] "', 1),
    ],
)  # fmt: skip
def test_a_stick_within_its_dead_zone_is_not_counted(arguments: bytes, held: int) -> None:
    found = read_inputs(HEADER + b"1.5,GAMEPAD_AXIS," + arguments + b"\n")
    assert (found.events, found.gamepad, found.gamepad_s) == (1, held, held)
    assert read_inputs(HEADER + b"1.5,GAMEPAD_BUTTON_VALUE," + arguments + b"\n").gamepad == 1


def test_seconds_are_counted_once() -> None:
    lines = b"".join(b"%.2f,MOUSE_MOVE,[1]\n" % (3 + step / 100) for step in range(250))
    found = read_inputs(HEADER + lines + b'4.5,KEYBOARD,"[87, true]"\n9.5,SCROLL,[1]\n7.5,GAMEPAD_BUTTON,"[1, true]"\n')
    assert (found.desk_s, found.gamepad_s) == (4, 1)


@pytest.mark.parametrize("content", [b"\x00" * 50, b"1.5,START,[]\n", b"<html>", b"time;event;args\n"])
def test_other_files_are_rejected(content: bytes) -> None:
    with pytest.raises(ItemError, match="timestamp,event_type,event_args") as caught:
        read_inputs(content)
    assert caught.value.code == "inputs_invalid"


@given(content=st.binary(max_size=300))
def test_noise_after_the_header_is_counted(content: bytes) -> None:
    found = read_inputs(HEADER + content)
    assert found.events + found.invalid <= len(content.splitlines())
    assert found.keyboard + found.mouse + found.gamepad <= found.events
