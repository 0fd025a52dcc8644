"""Summarize inputs.csv in one pass: events and active seconds per device (dead zone of sticks), and its timestamps.

Lines are ``timestamp,event_type,event_args``: Unix seconds, a word, and a JSON array, quoted if it contains commas.
The first two fields never contain a comma or a quote, so each line is split at its first two commas. A CSV parser would
lose the rest of the file after a stray quote; this loses only the line.
"""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.gamedata.errors import item_error
from jobs.gamedata.model import InputStatistics
from shared.text import brief

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

__all__ = ["MAX_INPUTS", "read_inputs"]

# Two hours of mouse movement, at 2.8 MB per ten minutes; the worst file of this size takes 8 s to parse.
MAX_INPUTS: Final = 32 * 1024 * 1024
# Bytes split into lines at a time, and maximum number of cached event types. Without limits, a hostile file would take
# a gigabyte of memory.
_CHUNK: Final = 1024 * 1024
_MAX_KINDS: Final = 4096
_COMMAS: Final = 2
# A stick closer to its centre than this counts as released, since a worn stick jitters there. Windows' XInput uses 0.24
# and 0.27.
_DEAD_ZONE: Final = 0.25
# A row is out of order if it is older than an earlier row by more than this. Concurrent writers displace rows by
# milliseconds only; setting the clock back displaces them by more.
_BEHIND_S: Final = 0.1
_OTHER, _KEYBOARD, _MOUSE, _GAMEPAD, _STICK = range(5)
_HEADER: Final = (b"timestamp", b"event_type")
_BOM: Final = b"\xef\xbb\xbf"


def read_inputs(content: bytes) -> InputStatistics:
    """Return the statistics of an inputs.csv; lines that do not parse are skipped and counted.

    Args:
        content: the member's bytes. Without any, the header is missing and counts as one line that does not parse: the
            recorder was stopped before it wrote its first buffer, so the inputs are unknown.

    Raises:
        ItemError: ``inputs_invalid`` if there are more than :data:`MAX_INPUTS` bytes, or if the header
            ``timestamp,event_type,event_args`` is missing.
    """
    if len(content) > MAX_INPUTS:
        raise item_error("inputs_invalid", f"inputs.csv has {len(content)} bytes, more than the limit of {MAX_INPUTS}")
    lines = _lines(content.removeprefix(_BOM))
    header = next(lines, None)
    if header is not None and tuple(_plain(field).lower() for field in header.split(b",", 2)[:2]) != _HEADER:
        raise item_error(
            "inputs_invalid",
            f"inputs.csv begins with {brief(header, 200)}; expected the header 'timestamp,event_type,event_args'",
        )
    times = array("d")
    devices = bytearray()
    kinds: dict[bytes, int] = {}
    invalid = int(header is None)
    for line in lines:
        if line.count(b",") < _COMMAS:  # raising is five times slower, and hostile files may be full of these lines
            invalid += bool(line and line.strip())
            continue
        try:
            stamp, kind, arguments = line.split(b",", 2)
            # The fast path covers what recorders write; quoted or padded fields take the slow one.
            time = float(stamp) if stamp[:1] != b'"' else float(_plain(stamp))
        except ValueError:
            invalid += 1
            continue
        if not math.isfinite(time) or not kind or not _is_array(arguments):
            invalid += 1
            continue
        device = kinds.get(kind)
        if device is None:
            if len(kinds) >= _MAX_KINDS:
                kinds.clear()
            device = kinds[kind] = _device(_plain(kind).upper())
        if device == _STICK:
            device = _GAMEPAD if _is_held(arguments) else _OTHER
        times.append(time)
        devices.append(device)
    return _statistics(np.frombuffer(times, np.float64), np.frombuffer(devices, np.uint8), invalid)


def _statistics(stamps: npt.NDArray[np.float64], devices: npt.NDArray[np.uint8], invalid: int) -> InputStatistics:
    count = np.bincount(devices, minlength=_STICK)
    seconds = np.floor(stamps)
    desk = (devices == _KEYBOARD) | (devices == _MOUSE)
    behind = stamps < np.maximum.accumulate(stamps) - _BEHIND_S
    return InputStatistics(
        events=len(stamps),
        keyboard=int(count[_KEYBOARD]),
        mouse=int(count[_MOUSE]),
        gamepad=int(count[_GAMEPAD]),
        first_s=float(stamps.min()) if len(stamps) else None,
        last_s=float(stamps.max()) if len(stamps) else None,
        integer_timestamps=len(stamps) > 0 and bool((stamps == seconds).all()),
        unordered=int(behind.sum()),
        invalid=invalid,
        desk_s=len(np.unique(seconds[desk])),
        gamepad_s=len(np.unique(seconds[devices == _GAMEPAD])),
    )


def _lines(content: bytes) -> Iterator[bytes]:
    """Yield the lines that ``splitlines`` returns, without building the whole list."""
    start = 0
    while start < len(content):
        end = content.find(b"\n", start + _CHUNK) + 1 or len(content)
        yield from content[start:end].splitlines()
        start = end


def _plain(field: bytes) -> bytes:
    return field.strip().strip(b'"').strip()


def _is_array(arguments: bytes) -> bool:
    inner = arguments.strip(b' "\t')
    return inner[:1] == b"[" and inner[-1:] == b"]"


def _is_held(arguments: bytes) -> bool:
    """Return True if the value of a stick's ``[axis, value]`` is outside the dead zone or cannot be parsed."""
    try:
        return not abs(float(arguments.rpartition(b",")[2].strip(b' ]"\t'))) < _DEAD_ZONE
    except ValueError:
        return True


def _device(kind: bytes) -> int:
    if kind.startswith(b"KEYBOARD"):
        return _KEYBOARD
    if kind.startswith((b"MOUSE", b"SCROLL")):
        return _MOUSE
    if kind == b"GAMEPAD_AXIS":
        return _STICK
    return _GAMEPAD if kind.startswith(b"GAMEPAD") else _OTHER
