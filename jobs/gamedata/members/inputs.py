"""inputs.csv in one pass: how many events of which device, for how long, and whether their times can be used.

Lines are ``timestamp,event_type,event_args``: unix seconds, a word, a JSON array that is quoted where it has commas.
Neither of the first two ever holds a comma or a quote, so a line is cut at its first two commas: a stray quote costs
its own line and not the rest of the file.
"""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.gamedata.errors import item_error
from jobs.gamedata.model import InputStatistics

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

__all__ = ["MAX_INPUTS", "read_inputs"]

# Ten minutes of mouse movement are 2.8 MB, so this is two hours of it; the worst of that size takes 8 s.
MAX_INPUTS: Final = 32 * 1024 * 1024
# Lines are made of so much at a time, and so many kinds are kept: an event each would take a gigabyte.
_CHUNK: Final = 1024 * 1024
_MAX_KINDS: Final = 4096
_COMMAS: Final = 2
# A stick nearer to its centre than this is not held: Windows' XInput has 0.24 and 0.27. A worn one trembles within it.
_DEAD_ZONE: Final = 0.25
# A row counts as out of order when it is so much older than one before it. Threads that write side by side displace
# rows by milliseconds; a clock that is set back leaves this behind at once.
_BEHIND_S: Final = 0.1
_OTHER, _KEYBOARD, _MOUSE, _GAMEPAD, _STICK = range(5)
_HEADER: Final = (b"timestamp", b"event_type")
_BOM: Final = b"\xef\xbb\xbf"


def read_inputs(content: bytes) -> InputStatistics:
    """Count the events of an inputs.csv; lines that do not parse are counted and passed over.

    Args:
        content: the member's bytes; none at all is a session without events.

    Raises:
        ItemError: ``inputs_invalid`` for more than :data:`MAX_INPUTS` bytes, and without the header
            ``timestamp,event_type,event_args``.
    """
    if len(content) > MAX_INPUTS:
        raise item_error("inputs_invalid", f"inputs.csv has {len(content)} bytes; at most {MAX_INPUTS} are read")
    lines = _lines(content.removeprefix(_BOM))
    header = next(lines, None)
    if header is not None and tuple(_plain(field).lower() for field in header.split(b",", 2)[:2]) != _HEADER:
        raise item_error(
            "inputs_invalid",
            f"inputs.csv begins with {header[:60]!r}; valid is the header 'timestamp,event_type,event_args'",
        )
    times = array("d")
    devices = bytearray()
    kinds: dict[bytes, int] = {}
    invalid = 0
    for line in lines:
        if line.count(b",") < _COMMAS:  # an exception costs five times as much, and a hostile file is full of these
            invalid += bool(line and line.strip())
            continue
        try:
            stamp, kind, arguments = line.split(b",", 2)
            # The quick way for what recorders write; a quoted or padded field takes the slow one.
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
    """As ``splitlines``, without a list of all of them."""
    place = 0
    while place < len(content):
        end = content.find(b"\n", place + _CHUNK) + 1 or len(content)
        yield from content[place:end].splitlines()
        place = end


def _plain(field: bytes) -> bytes:
    return field.strip().strip(b'"').strip()


def _is_array(arguments: bytes) -> bool:
    inner = arguments.strip(b' "\t')
    return inner[:1] == b"[" and inner[-1:] == b"]"


def _is_held(arguments: bytes) -> bool:
    """Whether a stick's ``[axis, value]`` lies outside its dead zone; yes where there is no such value."""
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
