"""The kinds of inputs.csv that differ in what became of the clock, or of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.detectors.input_kinds import closed, desk
from tests.detectors.inputs import Recording, input_kind, write

if TYPE_CHECKING:
    from tests.detectors.inputs import Row


@input_kind("clock-coarse", "keyboard_mouse")
def _coarse(take: Recording) -> bytes:
    return write(closed(desk(take)), decimals=int(take.random.integers(1, 4)))


@input_kind("clock-displaced", "keyboard_mouse")
def _displaced(take: Recording) -> bytes:
    """Threads write side by side: a few rows come some milliseconds late."""
    return write(_late(take, closed(desk(take)), take.random.uniform(0.0005, 0.008)))


@input_kind("clock-threads", "keyboard_mouse")
def _threads(take: Recording) -> bytes:
    """As before, in a recorder that does it all the time."""
    return write(_late(take, closed(desk(take)), take.random.uniform(0.02, 0.2)))


def _late(take: Recording, rows: list[Row], share: float) -> list[Row]:
    late = take.random.random(len(rows)) < share
    delay = take.random.uniform(0.001, 0.02, len(rows))
    order = sorted(range(len(rows)), key=lambda at: rows[at][0] + (delay[at] if late[at] else 0.0))
    return [rows[at] for at in order]


@input_kind("clock-early", "keyboard_mouse")
def _early(take: Recording) -> bytes:
    """The recorder listens before the video begins, and after its end."""
    rows = desk(take).rows
    rows.append((-float(take.random.uniform(1, 25)), "START", "[]"))
    take.mark("END", at=take.seconds + float(take.random.uniform(1, 25)))
    return write(take.ordered())


@input_kind("clock-integer", "keyboard_mouse", unusable=True)
def _integer(take: Recording) -> bytes:
    rows = [(float(int(at)), kind, arguments) for at, kind, arguments in closed(desk(take))]
    return write(rows, decimals=int(take.random.choice([0, 0, 1])))


@input_kind("clock-back", "keyboard_mouse", unusable=True)
def _back(take: Recording) -> bytes:
    """Set back in the middle of the session."""
    jump = take.seconds * take.random.uniform(0.025, 0.45)
    middle = take.seconds * take.random.uniform(0.4, 0.6)
    rows = closed(desk(take))
    return write([(at - jump if at > middle else at, kind, arguments) for at, kind, arguments in rows])


@input_kind("clock-forward", "keyboard_mouse", unusable=True)
def _forward(take: Recording) -> bytes:
    jump = take.seconds * take.random.uniform(1.1, 6) + 61
    middle = take.seconds * take.random.uniform(0.1, 0.9)
    rows = closed(desk(take))
    return write([(at + jump if at > middle else at, kind, arguments) for at, kind, arguments in rows])


@input_kind("rows-by-device", "keyboard_mouse", unusable=True)
def _by_device(take: Recording) -> bytes:
    """One device after the other: what reads it as a stream goes back in time once."""
    rows = closed(desk(take))
    return write([row for row in rows if row[1] != "KEYBOARD"] + [row for row in rows if row[1] == "KEYBOARD"])


@input_kind("rows-shuffled", "keyboard_mouse", unusable=True)
def _shuffled(take: Recording) -> bytes:
    rows = closed(desk(take))
    return write([rows[at] for at in take.random.permutation(len(rows))])


@input_kind("rows-broken", "keyboard_mouse", unusable=True)
def _broken(take: Recording) -> bytes:
    lines = write(closed(desk(take))).decode().splitlines()
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
    return write([row for row in closed(desk(take)) if row[0] < min(until, take.seconds / 2 - 62)])


@input_kind("rows-of-two", "keyboard_mouse", unusable=True)
def _two(take: Recording) -> bytes:
    """Two recordings in one file, the second some minutes or hours later."""
    rows = closed(desk(take))
    later = take.seconds + float(take.random.uniform(70, 9000))
    return write(rows + [(at + later, kind, arguments) for at, kind, arguments in rows])


@input_kind("clock-back-little", "keyboard_mouse", unusable=True, untold=True)
def _back_little(take: Recording) -> bytes:
    jump = take.seconds * take.random.uniform(0.002, 0.008)
    rows = closed(desk(take))
    return write([(at - jump if at > take.seconds / 2 else at, kind, arguments) for at, kind, arguments in rows])


@input_kind("clock-forward-little", "keyboard_mouse", unusable=True, untold=True)
def _forward_little(take: Recording) -> bytes:
    jump = float(take.random.uniform(2, 55))
    rows = closed(desk(take))
    return write([(at + jump if at > take.seconds / 2 else at, kind, arguments) for at, kind, arguments in rows])


@input_kind("clock-of-another-day", "keyboard_mouse", unusable=True, untold=True)
def _another_day(take: Recording) -> bytes:
    """As long as the video, but not of it."""
    return write(closed(desk(take)), shift=86_400.0 * int(take.random.integers(1, 30)))
