"""The kinds of inputs.csv that differ in what was played with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.detectors.inputs import Recording, input_kind, write

if TYPE_CHECKING:
    from tests.detectors.inputs import Row


__all__ = ["closed", "desk"]


def closed(take: Recording) -> list[Row]:
    take.mark("VIDEO_END", "END", at=take.seconds)
    return take.ordered()


def desk(take: Recording) -> Recording:
    """An ordinary session at keyboard and mouse."""
    take.keys(1, take.seconds, take.random.uniform(1, 6))
    take.mouse(1, take.seconds, take.random.choice([60, 125, 250]))
    return take


def _pad(take: Recording, begin: float = 1.0) -> Recording:
    take.pad(begin, take.seconds, take.random.uniform(30, 120))
    return take


def _bursts(take: Recording, longest: float) -> list[tuple[float, float]]:
    count = int(take.random.integers(1, 6))
    lengths = take.random.dirichlet([2.0] * count) * take.random.uniform(0.2, 1) * longest
    return [
        (at, at + length) for at, length in zip(take.random.uniform(1, take.seconds - 15, count), lengths, strict=True)
    ]


@input_kind("keys-mouse", "keyboard_mouse")
def _keys_mouse(take: Recording) -> bytes:
    return write(closed(desk(take)))


@input_kind("keys", "keyboard_mouse")
def _keys(take: Recording) -> bytes:
    take.keys(1, take.seconds, take.random.uniform(0.3, 3))
    return write(closed(take))


@input_kind("mouse", "keyboard_mouse")
def _mouse(take: Recording) -> bytes:
    take.mouse(1, take.seconds, take.random.choice([60, 125, 500]), moving=0.4)
    return write(closed(take))


@input_kind("keys-mouse-pad-drifts", "keyboard_mouse")
def _pad_drifts(take: Recording) -> bytes:
    take.drift(0, take.seconds, take.random.uniform(2, 120))
    return write(closed(desk(take)))


@input_kind("keys-pad-drifts", "keyboard_mouse")
def _keys_pad_drifts(take: Recording) -> bytes:
    take.keys(1, take.seconds, take.random.uniform(0.5, 4))
    take.drift(0, take.seconds, take.random.uniform(2, 120))
    return write(closed(take))


@input_kind("keys-mouse-pad-tried", "keyboard_mouse")
def _pad_tried(take: Recording) -> bytes:
    for begin, end in _bursts(take, take.seconds * 0.015):
        take.pad(begin, end, 80)
    return write(closed(desk(take)))


@input_kind("pad", "gamepad")
def _pad_alone(take: Recording) -> bytes:
    return write(closed(_pad(take)))


@input_kind("pad-slow", "gamepad")
def _pad_slow(take: Recording) -> bytes:
    take.pad(1, take.seconds, take.random.uniform(1, 6))
    return write(closed(take))


@input_kind("pad-mouse-nudged", "gamepad")
def _mouse_nudged(take: Recording) -> bytes:
    for begin, end in _bursts(take, take.seconds * 0.03):
        take.mouse(begin, end, take.random.choice([125, 500, 1000]), moving=1.0)
    return write(closed(_pad(take)))


@input_kind("pad-few-keys", "gamepad")
def _few_keys(take: Recording) -> bytes:
    for at in take.random.uniform(1, take.seconds, int(take.random.integers(1, 6))):
        take.keys(float(at), float(at) + 0.5, 3)
    return write(closed(_pad(take)))


@input_kind("pad-slow-mouse-nudged", "gamepad")
def _slow_nudged(take: Recording) -> bytes:
    take.pad(1, take.seconds, take.random.uniform(4, 12))
    for begin, end in _bursts(take, take.seconds * 0.015):
        take.mouse(begin, end, take.random.choice([125, 500]), moving=1.0)
    return write(closed(take))


@input_kind("mixed-in-turns", "mixed")
def _in_turns(take: Recording) -> bytes:
    middle = take.seconds * take.random.uniform(0.3, 0.7)
    take.keys(1, middle, take.random.uniform(1, 6))
    take.mouse(1, middle, 125)
    return write(closed(_pad(take, middle)))


@input_kind("mixed-slow-keys", "mixed")
def _slow_keys(take: Recording) -> bytes:
    middle = take.seconds * take.random.uniform(0.4, 0.6)
    take.keys(1, middle, take.random.uniform(0.8, 2.5))
    return write(closed(_pad(take, middle)))


@input_kind("mixed-together", "mixed")
def _together(take: Recording) -> bytes:
    take.keys(1, take.seconds, take.random.uniform(0.7, 3))
    return write(closed(_pad(take)))


@input_kind("none", "none")
def _none(take: Recording) -> bytes:
    take.mark("UNFOCUS", at=5.1234)
    take.mark("FOCUS", at=9.5)
    return write(closed(take))


@input_kind("none-pad-drifts", "none")
def _none_drift(take: Recording) -> bytes:
    take.drift(0, take.seconds, take.random.uniform(0.5, 120))
    return write(closed(take))


@input_kind("keys-mouse-pad-stuck", "keyboard_mouse", untold=True)
def _pad_stuck(take: Recording) -> bytes:
    """A pad lies on its stick, which reports a deflection all the time."""
    take.drift(0, take.seconds, take.random.uniform(5, 60), far=True)
    return write(closed(desk(take)))
