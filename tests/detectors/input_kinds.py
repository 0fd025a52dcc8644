"""The kinds of inputs.csv: what was played with, and what became of the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.detectors.inputs import Recording, input_kind, write

if TYPE_CHECKING:
    from tests.detectors.inputs import Row


def _closed(take: Recording) -> list[Row]:
    take.mark("VIDEO_END", "END", at=take.seconds)
    return take.ordered()


def _desk(take: Recording) -> Recording:
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
    return write(_closed(_desk(take)))


@input_kind("keys", "keyboard_mouse")
def _keys(take: Recording) -> bytes:
    take.keys(1, take.seconds, take.random.uniform(0.3, 3))
    return write(_closed(take))


@input_kind("mouse", "keyboard_mouse")
def _mouse(take: Recording) -> bytes:
    take.mouse(1, take.seconds, take.random.choice([60, 125, 500]), moving=0.4)
    return write(_closed(take))


@input_kind("keys-mouse-pad-drifts", "keyboard_mouse")
def _pad_drifts(take: Recording) -> bytes:
    take.drift(0, take.seconds, take.random.uniform(2, 120))
    return write(_closed(_desk(take)))


@input_kind("keys-pad-drifts", "keyboard_mouse")
def _keys_pad_drifts(take: Recording) -> bytes:
    take.keys(1, take.seconds, take.random.uniform(0.5, 4))
    take.drift(0, take.seconds, take.random.uniform(2, 120))
    return write(_closed(take))


@input_kind("keys-mouse-pad-tried", "keyboard_mouse")
def _pad_tried(take: Recording) -> bytes:
    for begin, end in _bursts(take, take.seconds * 0.015):
        take.pad(begin, end, 80)
    return write(_closed(_desk(take)))


@input_kind("pad", "gamepad")
def _pad_alone(take: Recording) -> bytes:
    return write(_closed(_pad(take)))


@input_kind("pad-slow", "gamepad")
def _pad_slow(take: Recording) -> bytes:
    take.pad(1, take.seconds, take.random.uniform(1, 6))
    return write(_closed(take))


@input_kind("pad-mouse-nudged", "gamepad")
def _mouse_nudged(take: Recording) -> bytes:
    for begin, end in _bursts(take, take.seconds * 0.03):
        take.mouse(begin, end, take.random.choice([125, 500, 1000]), moving=1.0)
    return write(_closed(_pad(take)))


@input_kind("pad-few-keys", "gamepad")
def _few_keys(take: Recording) -> bytes:
    for at in take.random.uniform(1, take.seconds, int(take.random.integers(1, 6))):
        take.keys(float(at), float(at) + 0.5, 3)
    return write(_closed(_pad(take)))


@input_kind("pad-slow-mouse-nudged", "gamepad")
def _slow_nudged(take: Recording) -> bytes:
    take.pad(1, take.seconds, take.random.uniform(4, 12))
    for begin, end in _bursts(take, take.seconds * 0.015):
        take.mouse(begin, end, take.random.choice([125, 500]), moving=1.0)
    return write(_closed(take))


@input_kind("mixed-in-turns", "mixed")
def _in_turns(take: Recording) -> bytes:
    middle = take.seconds * take.random.uniform(0.3, 0.7)
    take.keys(1, middle, take.random.uniform(1, 6))
    take.mouse(1, middle, 125)
    return write(_closed(_pad(take, middle)))


@input_kind("mixed-slow-keys", "mixed")
def _slow_keys(take: Recording) -> bytes:
    middle = take.seconds * take.random.uniform(0.4, 0.6)
    take.keys(1, middle, take.random.uniform(0.8, 2.5))
    return write(_closed(_pad(take, middle)))


@input_kind("mixed-together", "mixed")
def _together(take: Recording) -> bytes:
    take.keys(1, take.seconds, take.random.uniform(0.7, 3))
    return write(_closed(_pad(take)))


@input_kind("none", "none")
def _none(take: Recording) -> bytes:
    take.mark("UNFOCUS", at=5.1234)
    take.mark("FOCUS", at=9.5)
    return write(_closed(take))


@input_kind("none-pad-drifts", "none")
def _none_drift(take: Recording) -> bytes:
    take.drift(0, take.seconds, take.random.uniform(0.5, 120))
    return write(_closed(take))


@input_kind("clock-coarse", "keyboard_mouse")
def _coarse(take: Recording) -> bytes:
    return write(_closed(_desk(take)), decimals=int(take.random.integers(1, 4)))


@input_kind("clock-displaced", "keyboard_mouse")
def _displaced(take: Recording) -> bytes:
    """Threads write side by side: a few rows come some milliseconds late."""
    return write(_late(take, _closed(_desk(take)), take.random.uniform(0.0005, 0.008)))


@input_kind("clock-threads", "keyboard_mouse")
def _threads(take: Recording) -> bytes:
    """As before, in a recorder that does it all the time."""
    return write(_late(take, _closed(_desk(take)), take.random.uniform(0.02, 0.2)))


def _late(take: Recording, rows: list[Row], share: float) -> list[Row]:
    late = take.random.random(len(rows)) < share
    delay = take.random.uniform(0.001, 0.02, len(rows))
    order = sorted(range(len(rows)), key=lambda at: rows[at][0] + (delay[at] if late[at] else 0.0))
    return [rows[at] for at in order]


@input_kind("clock-early", "keyboard_mouse")
def _early(take: Recording) -> bytes:
    """The recorder listens before the video begins, and after its end."""
    rows = _desk(take).rows
    rows.append((-float(take.random.uniform(1, 25)), "START", "[]"))
    take.mark("END", at=take.seconds + float(take.random.uniform(1, 25)))
    return write(take.ordered())


@input_kind("clock-integer", "keyboard_mouse", unusable=True)
def _integer(take: Recording) -> bytes:
    rows = [(float(int(at)), kind, arguments) for at, kind, arguments in _closed(_desk(take))]
    return write(rows, decimals=int(take.random.choice([0, 0, 1])))


@input_kind("clock-back", "keyboard_mouse", unusable=True)
def _back(take: Recording) -> bytes:
    """Set back in the middle of the session."""
    jump = take.seconds * take.random.uniform(0.025, 0.45)
    middle = take.seconds * take.random.uniform(0.4, 0.6)
    rows = _closed(_desk(take))
    return write([(at - jump if at > middle else at, kind, arguments) for at, kind, arguments in rows])


@input_kind("clock-forward", "keyboard_mouse", unusable=True)
def _forward(take: Recording) -> bytes:
    jump = take.seconds * take.random.uniform(1.1, 6) + 61
    middle = take.seconds * take.random.uniform(0.1, 0.9)
    rows = _closed(_desk(take))
    return write([(at + jump if at > middle else at, kind, arguments) for at, kind, arguments in rows])


@input_kind("rows-by-device", "keyboard_mouse", unusable=True)
def _by_device(take: Recording) -> bytes:
    """One device after the other: what reads it as a stream goes back in time once."""
    rows = _closed(_desk(take))
    return write([row for row in rows if row[1] != "KEYBOARD"] + [row for row in rows if row[1] == "KEYBOARD"])


@input_kind("rows-shuffled", "keyboard_mouse", unusable=True)
def _shuffled(take: Recording) -> bytes:
    rows = _closed(_desk(take))
    return write([rows[at] for at in take.random.permutation(len(rows))])


@input_kind("rows-broken", "keyboard_mouse", unusable=True)
def _broken(take: Recording) -> bytes:
    lines = write(_closed(_desk(take))).decode().splitlines()
    bad = take.random.random(len(lines)) < take.random.uniform(0.6, 0.95)
    bad[0] = False
    return "\n".join(
        line.replace(",", ";", 2) if wrong else line for line, wrong in zip(lines, bad, strict=True)
    ).encode()


@input_kind("rows-cut", "keyboard_mouse", unusable=True)
def _cut(take: Recording) -> bytes:
    """The recorder died or the disk was full: the file ends long before the video."""
    until = take.seconds * take.random.uniform(0.05, 0.4)
    take.seconds = max(take.seconds, 150.0)
    return write([row for row in _closed(_desk(take)) if row[0] < min(until, take.seconds / 2 - 62)])


@input_kind("rows-of-two", "keyboard_mouse", unusable=True)
def _two(take: Recording) -> bytes:
    """Two recordings in one file, the second some minutes or hours later."""
    rows = _closed(_desk(take))
    later = take.seconds + float(take.random.uniform(70, 9000))
    return write(rows + [(at + later, kind, arguments) for at, kind, arguments in rows])
