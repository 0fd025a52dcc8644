from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.gamedata.inputs import read_inputs
from jobs.gamedata.model import InputStatistics
from shared.errors import ItemError
from tests.tars import START_S, inputs_csv

HEADER = b"timestamp,event_type,event_args\n"


def test_what_the_recorder_writes() -> None:
    found = read_inputs(inputs_csv(30, ("keyboard", "mouse", "gamepad"), per_second=10))
    assert found == InputStatistics(
        events=304,
        keyboard=100,
        mouse=100,
        gamepad=100,
        first_s=float(START_S),
        last_s=float(START_S + 30),
        integer_timestamps=False,
        unordered=0,
        invalid=0,
    )


def test_whole_seconds_are_told() -> None:
    assert read_inputs(inputs_csv(integer=True)).integer_timestamps
    assert read_inputs(HEADER + b"5.0,START,[]\n6,END,[]").integer_timestamps
    assert not read_inputs(HEADER).integer_timestamps


@pytest.mark.parametrize("content", [b"", HEADER, b"\xef\xbb\xbf" + HEADER.replace(b"\n", b"\r\n")])
def test_no_events(content: bytes) -> None:
    found = read_inputs(content)
    assert (found.events, found.first_s, found.last_s, found.invalid) == (0, None, None, 0)


def test_other_writers_quotes_blanks_and_line_ends() -> None:
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
def test_a_line_that_does_not_parse_is_counted_and_costs_no_other(line: bytes) -> None:
    found = read_inputs(HEADER + b"1,START,[]\n" + line + b'\n3,KEYBOARD,"[87, true]"\n')
    assert (found.events, found.keyboard, found.invalid) == (2, 1, 1)


def test_steps_back_in_time_are_counted() -> None:
    found = read_inputs(HEADER + b"5.5,A,[]\n4.5,B,[]\n4.5,C,[]\n9,D,[]\n1,E,[]")
    assert (found.unordered, found.first_s, found.last_s) == (2, 1.0, 9.0)


@pytest.mark.parametrize("content", [b"\x00" * 50, b"1.5,START,[]\n", b"<html>", b"time;event;args\n"])
def test_another_file(content: bytes) -> None:
    with pytest.raises(ItemError, match="timestamp,event_type,event_args") as caught:
        read_inputs(content)
    assert caught.value.code == "inputs_invalid"


@given(content=st.binary(max_size=300))
def test_noise_after_the_header_is_counted(content: bytes) -> None:
    found = read_inputs(HEADER + content)
    assert found.events + found.invalid <= len(content.splitlines())
    assert found.keyboard + found.mouse + found.gamepad <= found.events
