"""inputs.csv in one pass: how many events of which device, and whether their times can be used.

Lines are ``timestamp,event_type,event_args``: unix seconds, a word, a JSON array that is quoted where it has commas.
Neither of the first two ever holds a comma or a quote, so a line is cut at its first two commas: a stray quote costs
its own line and not the rest of the file.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.gamedata.errors import item_error
from jobs.gamedata.model import InputStatistics

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_INPUTS", "read_inputs"]

# Ten minutes of mouse movement are 2.8 MB, so this is two hours of it; the worst of that size takes 8 s.
MAX_INPUTS: Final = 32 * 1024 * 1024
# Lines are made of so much at a time, and so many kinds are kept: an event each would take a gigabyte.
_CHUNK: Final = 1024 * 1024
_MAX_KINDS: Final = 4096
_COMMAS: Final = 2
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
    kinds: Counter[bytes] = Counter()
    invalid = 0
    devices: Counter[str] = Counter()
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
        times.append(time)
        kinds[kind] += 1
        if len(kinds) > _MAX_KINDS:
            devices += _by_device(kinds)
            kinds.clear()
    devices += _by_device(kinds)
    stamps = np.frombuffer(times, np.float64)
    return InputStatistics(
        events=len(times),
        keyboard=devices["keyboard"],
        mouse=devices["mouse"],
        gamepad=devices["gamepad"],
        first_s=float(stamps.min()) if times else None,
        last_s=float(stamps.max()) if times else None,
        integer_timestamps=bool(times) and bool((stamps == np.floor(stamps)).all()),
        unordered=int((np.diff(stamps) < 0).sum()),
        invalid=invalid,
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


def _by_device(kinds: Counter[bytes]) -> Counter[str]:
    devices: Counter[str] = Counter()
    for kind, count in kinds.items():
        devices[_device(_plain(kind).upper())] += count
    return devices


def _is_array(arguments: bytes) -> bool:
    inner = arguments.strip(b' "\t')
    return inner[:1] == b"[" and inner[-1:] == b"]"


def _device(kind: bytes) -> str:
    if kind.startswith(b"KEYBOARD"):
        return "keyboard"
    if kind.startswith((b"MOUSE", b"SCROLL")):
        return "mouse"
    return "gamepad" if kind.startswith(b"GAMEPAD") else "other"
