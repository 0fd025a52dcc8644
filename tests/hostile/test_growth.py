"""No parser of hostile input takes more than linear time."""

from __future__ import annotations

import pytest

from jobs.gamedata.errors import CODES
from jobs.gamedata.frames._recovery_points import decodes_alone
from jobs.gamedata.members._mp4_boxes import children, only
from jobs.gamedata.members._tar_headers import _records
from jobs.gamedata.members.inputs import read_inputs
from jobs.gamedata.members.metadata import MAX_METADATA, parse_metadata
from jobs.gamedata.members.tar import Member, pick_members
from shared.errors import ItemError
from shared.scrub import scrub
from shared.text import clean_data, clean_text
from tests.growth import assert_linear

HEADER = b"timestamp,event_type,event_args\n"


def keys_with_the_last_twice(size):
    count = size // 12
    return b"{" + b",".join(b'"%07d":1' % number for number in range(count)) + b',"%07d":1}' % (count - 1)


METADATA = {
    "the last key twice": keys_with_the_last_twice,
    "escapes": lambda size: b'{"a":"' + b"\\u0041" * (size // 6),
    "a number": lambda size: b'{"a":1.' + b"1" * size + b"}",
    "a number with an exponent": lambda size: b'{"a":' + b"1" * size + b"e-5}",
    "an integer": lambda size: b'{"a":' + b"1" * size + b"}",
    "an open string": lambda size: b'{"a":"' + b"x" * size,
    "levels": lambda size: b'{"a":' + b"[" * size,
    "space": lambda size: b'{"a":' + b" " * size,
    "objects with a key twice": lambda size: b"[" + b'{"a":1,"b":2},' * (size // 14) + b'{"a":1,"a":2}]',
}
INPUTS = {
    "a number": lambda size: HEADER + b"1" * size + b",KEY,[]\n",
    "quotes": lambda size: HEADER + b"1," + b'"' * size + b",[]\n",
    "spaces": lambda size: HEADER + b" " * size + b",KEY,[]\n",
    "a stick": lambda size: HEADER + b"1,GAMEPAD_AXIS,[" + b"1" * size + b"]\n",
    "kinds": lambda size: HEADER + b"".join(b"1,%d,[]\n" % number for number in range(size // 12)),
    "line ends": lambda size: HEADER + b"\r" * size,
}
TEXTS = {
    "dots": "a.",
    "words": "secret-",
    "one word": "password",
    "schemes": "a://",
    "passwords": "a://b:",
    "names": "a-",
    "bearers": "bearer ",
    "spaces": "password ",
    "assignments": "token=",
    "quotes": '"token":"',
    "headers": "authorization: bearer ",
}


@pytest.mark.parametrize("name", METADATA)
def test_metadata(name):
    assert_linear(METADATA[name], parse_metadata, 50_000, most=MAX_METADATA // 2)


def test_a_metadata_of_a_megabyte_with_its_last_key_twice_is_an_error_of_its_own():
    with pytest.raises(ItemError) as caught:
        parse_metadata(keys_with_the_last_twice(900_000))
    assert caught.value.code == "metadata_invalid"
    assert "metadata_invalid" in CODES
    assert "more than once" in caught.value.message


@pytest.mark.parametrize("name", INPUTS)
def test_inputs(name):
    assert_linear(INPUTS[name], read_inputs, 200_000)


def test_names_of_members():
    def videos(size):
        return [Member(f"{number:06d}" * 20 + ".mp4", 0, 0) for number in range(size)]

    assert_linear(videos, pick_members, 1000)


def test_records_of_extended_headers():
    assert_linear(lambda size: b"8 path=\n" * (size // 8), lambda body: _records(body, 0), 10_000)
    assert_linear(lambda size: b"6 " + b"a" * size, lambda body: _records(body, 0), 10_000)


def test_boxes():
    body = b"\0\0\0\x08free"
    assert_linear(lambda size: memoryview(body * size), lambda boxes: only(boxes, b"moov"), 1000, most=2000)
    assert_linear(lambda size: memoryview(body * size), lambda boxes: list(children(boxes)), 1000, most=2000)


@pytest.mark.parametrize(
    ("extradata", "unit"),
    [
        (b"", b"\0\0\1\6"),
        (b"", b"\0"),
        (b"\1\0\0\0\0", b"\1\6"),
        (b"\1\0\0\0\3", b"\0\0\0\0"),
        (b"", b"\0\0\1\6\xff\xff"),
    ],
)
def test_units_of_a_packet(extradata, unit):
    assert_linear(lambda size: unit * size, lambda packet: decodes_alone("h264", extradata, packet), 10_000)


def test_supplemental_information_of_a_packet():
    assert_linear(lambda size: b"\0\0\1\6" + b"\1\0" * size, lambda packet: decodes_alone("h264", b"", packet), 10_000)
    assert_linear(lambda size: b"\0\0\1\6" + b"\xff" * size, lambda packet: decodes_alone("h264", b"", packet), 10_000)


@pytest.mark.parametrize("name", TEXTS)
def test_secrets_in_texts(name):
    assert_linear(lambda size: TEXTS[name] * (size // len(TEXTS[name])), scrub, 1000, most=200_000)


@pytest.mark.parametrize("name", TEXTS)
def test_a_stored_text_costs_the_same_however_long_it_is(name):
    assert_linear(lambda size: TEXTS[name] * size, clean_text, 1 << 12, most=1 << 18)
    assert_linear(lambda size: {"x": [TEXTS[name] * size]}, clean_data, 1 << 12, most=1 << 18)
