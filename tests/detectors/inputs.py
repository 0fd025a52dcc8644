"""inputs.csv of players, pads on desks and broken clocks, and what is true of each."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tests.tars import START_S

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["InputVariant", "Recording", "input_kind", "input_kinds", "input_variant", "write"]

Row = tuple[float, str, str]


class Recording:
    """Rows of a recording, in the order in which they are written.

    Args:
        random: of it.
        seconds: length of the video.
    """

    def __init__(self, random: np.random.Generator, seconds: float) -> None:
        self.random, self.seconds = random, seconds
        self.rows: list[Row] = []

    def mark(self, *kinds: str, at: float = 0.0) -> None:
        """START, VIDEO_END and their like."""
        self.rows += [(at, kind, "[]") for kind in kinds]

    def _moments(self, begin: float, end: float, rate: float) -> list[float]:
        count = self.random.poisson(max(end - begin, 0) * rate)
        found: list[float] = np.sort(self.random.uniform(begin, end, count)).tolist()
        return found

    def keys(self, begin: float, end: float, rate: float) -> None:
        """Key presses, each down and up."""
        for at in self._moments(begin, end, rate):
            code = int(self.random.choice([87, 65, 83, 68, 32, 16, 69]))
            self.rows += [(at, "KEYBOARD", f"[{code}, true]"), (at + 0.07, "KEYBOARD", f"[{code}, false]")]

    def mouse(self, begin: float, end: float, rate: float, *, moving: float = 0.6) -> None:
        """Movement at the mouse's own rate for a share of the time, clicks, the wheel."""
        at = begin
        while at < end:
            length = min(self.random.exponential(1.2) + 0.1, end - at)
            moments = self._moments(at, at + length * moving, rate)
            # At once: a call for each of a million moves takes 4 s.
            steps = self.random.integers(-40, 40, (len(moments), 2)).tolist()
            self.rows += [
                (moment, "MOUSE_MOVE", f"[{dx}, {dy}]") for moment, (dx, dy) in zip(moments, steps, strict=True)
            ]
            at += length
        for at in self._moments(begin, end, 1.0):
            kind, arguments = (("MOUSE_BUTTON", "[1, true]"), ("SCROLL", "[1]"))[int(self.random.integers(2))]
            self.rows.append((at, kind, arguments))

    def pad(self, begin: float, end: float, rate: float) -> None:
        """Sticks pushed here and there, buttons and triggers."""
        for axis in (0, 1, 2, 3):
            pace, shift = self.random.uniform(0.3, 2.0), self.random.uniform(0, 6)
            for at in self._moments(begin, end, rate / 4):
                value = float(np.clip(1.4 * np.sin(at * pace + shift), -1, 1))
                self.rows.append((at, "GAMEPAD_AXIS", f"[{axis}, {value:.5f}]"))
        for at in self._moments(begin, end, 1.5):
            self.rows += [(at, "GAMEPAD_BUTTON", "[4, true]"), (at + 0.1, "GAMEPAD_BUTTON", "[4, false]")]
        for at in self._moments(begin, end, rate / 10):
            self.rows.append((at, "GAMEPAD_BUTTON_VALUE", f"[7, {self.random.uniform(0.1, 1):.4f}]"))

    def drift(self, begin: float, end: float, rate: float, *, far: bool = False) -> None:
        """A worn stick that nobody touches: it trembles about a place near its centre, or about one that is not."""
        centre = self.random.uniform(0.3, 0.6) if far else self.random.uniform(-0.14, 0.14)
        width = self.random.uniform(0.004, 0.02)
        for at in self._moments(begin, end, rate):
            self.rows.append((at, "GAMEPAD_AXIS", f"[1, {centre + self.random.normal(0, width):.5f}]"))

    def ordered(self) -> list[Row]:
        return sorted(self.rows, key=lambda row: row[0])


def write(rows: list[Row], *, decimals: int = 6, shift: float = 0.0) -> bytes:
    """The file, in the recorder's form."""
    lines = [f'{START_S + shift + at:.{decimals}f},{kind},"{arguments}"' for at, kind, arguments in rows]
    return "\n".join(["timestamp,event_type,event_args", *lines, ""]).encode()


@dataclass(frozen=True, slots=True)
class InputVariant:
    """One inputs.csv.

    Attributes:
        kind: of it.
        seed: of it.
        seconds: length of the video that it belongs to.
        content: its bytes.
        device: true ``input_device_class``.
        unusable: true ``has_unusable_timestamps``.
        untold: the checks cannot tell it, which docs/checks.md says: scored apart.
    """

    kind: str
    seed: int
    seconds: float
    content: bytes
    device: str
    unusable: bool
    untold: bool


INPUT_KINDS: Final[dict[str, tuple[Callable[[Recording], bytes], str, bool, bool]]] = {}


def input_kind(
    name: str, device: str, *, unusable: bool = False, untold: bool = False
) -> Callable[[Callable[[Recording], bytes]], Callable[[Recording], bytes]]:
    """Register the function that makes the file from a recording with its first marks."""

    def register(make: Callable[[Recording], bytes]) -> Callable[[Recording], bytes]:
        assert name not in INPUT_KINDS
        INPUT_KINDS[name] = (make, device, unusable, untold)
        return make

    return register


def input_kinds() -> list[str]:
    """The names of all kinds."""
    import tests.detectors.clock_kinds
    import tests.detectors.input_kinds  # noqa: F401  they register

    return list(INPUT_KINDS)


def input_variant(name: str, seed: int) -> InputVariant:
    """Make a variant of a kind."""
    assert name in input_kinds()
    make, device, unusable, untold = INPUT_KINDS[name]
    random = np.random.default_rng([zlib.crc32(name.encode()), seed])
    recording = Recording(random, float(random.uniform(70, 200)))
    recording.mark("START", "VIDEO_START")
    recording.mark("HOOK_START", at=float(random.uniform(0.2, 3)))
    content = make(recording)
    return InputVariant(name, seed, recording.seconds, content, device, unusable, untold)
