"""Compare the product's result for one TAR with the reference: every stored picture, its time, and its mark."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.gamedata.frames.conversion import frame_size
from shared.errors import ItemError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from fractions import Fraction

    import numpy.typing as npt

    from jobs.gamedata.model import SamplingSpec
    from tests.pictures.reference import Pictures, Reference, SequentialDecode

__all__ = ["Comparison", "Stored", "compare"]

_TOLERANCE: Final = 1  # levels of 255, after the same conversion; and against the float conversion where chroma is flat
_TICK_TOLERANCE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Stored:
    """The frames that the product stores for one TAR, and the row of each sample.

    Attributes:
        images: RGB, shape (D, 3, H, W).
        time_s: seconds from the first displayed frame, shape (D,).
        pts: the container's time of each frame in seconds; None if unknown.
        corrupt: True for frames marked as damaged, shape (D,).
        strides: stride -> ``(requested time, row)`` of each sample.
        warnings: the session's warnings.
    """

    images: npt.NDArray[np.uint8]
    time_s: npt.NDArray[np.float64]
    pts: list[Fraction] | None
    corrupt: npt.NDArray[np.bool_]
    strides: dict[float, list[tuple[float, int]]]
    warnings: list[str]


@dataclass(slots=True)
class Comparison:
    """The outcome of one combination.

    Attributes:
        frames: stored frames.
        right: frames that equal the reference and are not marked.
        marked: frames marked as damaged.
        marked_right: marked frames that equal an undamaged reference frame and do not replace a later one.
        missing: requested times without a stored frame although the reference has a frame by then.
        floats: frames also compared with the float conversion.
        error: the code and message of the typed error; empty for a session.
        lost: True if the item is an error although the sequential decode reads the file.
        wrong: violations, one text per frame or time.
    """

    frames: int = 0
    right: int = 0
    marked: int = 0
    marked_right: int = 0
    missing: int = 0
    floats: int = 0
    error: str = ""
    lost: bool = False
    wrong: list[str] = field(default_factory=list)


def compare(
    extract: Callable[[], Stored],
    spec: SamplingSpec,
    truth: SequentialDecode | None,
    reference: Reference,
) -> Comparison:
    """Compare one extraction with the reference's last decoded video.

    Args:
        extract: returns the frames that the product stores.
        spec: its sampling.
        truth: the full decode; None if FFmpeg cannot read the video.
        reference: holds the decoded frames.
    """
    result = Comparison()
    readable = truth is not None and any(not damaged for damaged in truth.corrupt)
    try:
        stored = extract()
    except ItemError as error:
        result.error = f"{error.code}: {error}"
        result.lost = readable
        return result
    except Exception as error:  # noqa: BLE001  anything else is the product's own fault
        result.wrong.append(f"raised {type(error).__name__}: {error}")
        return result
    if truth is None or not truth.pts:
        result.frames = len(stored.images)
        if not stored.corrupt.all():
            result.wrong.append("pictures from a video without pictures")
        return result
    _compare_pictures(stored, spec, truth, reference, result)
    _compare_times(stored, spec, truth, result)
    return result


def _compare_pictures(
    stored: Stored,
    spec: SamplingSpec,
    truth: SequentialDecode,
    reference: Reference,
    result: Comparison,
) -> None:
    images = stored.images
    result.frames = len(images)
    height, width = frame_size(*truth.size, truth.rotation, spec.max_height)
    if len(images) and images.shape[1:] != (3, height, width):
        result.wrong.append(f"frames are {images.shape[3]}x{images.shape[2]}; expected {width}x{height}")
        return
    positions: dict[int, list[int]] = {}
    for position, ticks in enumerate(truth.pts):
        positions.setdefault(ticks, []).append(position)
    ticks_of = [round(time / float(truth.time_base)) for time in stored.time_s]
    wanted = sorted({position for ticks in ticks_of for position in positions.get(ticks, [])})
    pictures = reference.pictures(wanted, height, width, truth.rotation)
    row_of = {position: row for row, position in enumerate(wanted)}
    replacing = _replacing(stored, spec, truth)
    for row, ticks in enumerate(ticks_of):
        marked = bool(stored.corrupt[row])
        result.marked += marked
        differences = {
            position: int(np.abs(images[row].astype(np.int16) - pictures.rgb[row_of[position]]).max())
            for position in positions.get(ticks, [])
        }
        if not differences:
            if not marked:
                result.wrong.append(f"{stored.time_s[row]:.2f} s: no frame has this time")
            continue
        position = min(differences, key=differences.__getitem__)
        if differences[position] > _TOLERANCE:
            if not marked:
                result.wrong.append(f"{stored.time_s[row]:.2f} s: differs by {differences[position]}")
            continue
        result.right += not marked
        result.marked_right += marked and not truth.corrupt[position] and row not in replacing
        if truth.sizes[position] != truth.size and not marked and not _announced(stored):
            result.wrong.append(f"{stored.time_s[row]:.2f} s: the size changed without a warning")
        _compare_floats(stored, row, pictures, row_of[position], result)


def _compare_floats(stored: Stored, row: int, pictures: Pictures, number: int, result: Comparison) -> None:
    if pictures.exact is None or pictures.flat is None:
        return
    off = np.abs(stored.images[row] - pictures.exact[number])[:, pictures.flat[number]]
    result.floats += bool(off.size)
    if off.size and off.max() > _TOLERANCE:
        result.wrong.append(f"{stored.time_s[row]:.2f} s: off the float conversion by {off.max():.2f}")


def _announced(stored: Stored) -> bool:
    return any("size" in warning or "resolution" in warning for warning in stored.warnings)


def _replacing(stored: Stored, spec: SamplingSpec, truth: SequentialDecode) -> set[int]:
    """Return the rows of frames that are earlier than the packet due at each of their times."""
    base = float(truth.time_base)
    shown: dict[int, list[int]] = {}
    for samples in stored.strides.values():
        times = [asked for asked, _ in samples]
        for (_, row), right in zip(
            samples, _choice(times, base, spec.mode, truth.packets, truth.keyframes), strict=True
        ):
            shown.setdefault(row, []).append(right)
    return {row for row, right in shown.items() if round(stored.time_s[row] / base) < min(right)}


def _key_sets(truth: SequentialDecode) -> list[list[int]]:
    """Return the acceptable sets of keyframes: the listed ones, or only the I-pictures among them.

    If all packets are listed although the codec predicts frames, and the decoder does not report which, the first one
    alone is acceptable.
    """
    intra = {ticks for ticks, alone in zip(truth.pts, truth.intra, strict=True) if alone}
    sets = [truth.keyframes, [ticks for ticks in truth.keyframes if ticks in intra]]
    if not intra and truth.keyframes == truth.packets:
        sets.append(truth.keyframes[:1])
    return sets


def _compare_times(stored: Stored, spec: SamplingSpec, truth: SequentialDecode, result: Comparison) -> None:
    """Compare which frames were chosen, by a rule written from docs/gamedata.md, not from the product's plan."""
    base = float(truth.time_base)
    if stored.pts is not None:
        for pts, time in zip(stored.pts, stored.time_s, strict=True):
            true = (round(time / base) + truth.start) * truth.time_base
            if pts != true:
                result.wrong.append(f"the pts is {float(pts):.3f} s; expected {float(true):.3f} s")
    # The frame at a time may be that of the packet due, or the frame that a decoder shows.
    shown, keys = (truth.packets, sorted(truth.pts)), _key_sets(truth)
    for stride, count in spec.strides:
        expected = [(number + 1) * stride for number in range(count) if (number + 1) * stride < truth.end * base]
        got = {round(asked, 6): row for asked, row in stored.strides[stride]}
        for asked in got:
            if not any(abs(asked - time) < _TICK_TOLERANCE for time in (number * stride for number in range(1, 99))):
                result.wrong.append(f"{asked:.2f} s was not requested")
        first = min(truth.pts)
        result.missing += sum(round(time, 6) not in got and first <= time / base for time in expected)
        sequences = [_choice(list(got), base, spec.mode, frames, chosen) for frames in shown for chosen in keys]
        for number, (asked, row) in enumerate(got.items()):
            right = {sequence[number] for sequence in sequences}
            ticks = round(stored.time_s[row] / base)
            earlier = stored.corrupt[row] and ticks <= max(right)
            if ticks not in right and not earlier:
                times = " or ".join(f"{one * base:.2f}" for one in sorted(right))
                result.wrong.append(f"{asked:.2f} s: the stored frame is of {ticks * base:.2f} s; expected {times} s")


def _choice(times: Iterable[float], base: float, mode: str, frames: Sequence[int], keys: Sequence[int]) -> list[int]:
    chosen: list[int] = []
    for time in times:
        ticks = time / base
        key = min(keys, key=lambda key: (abs(key - ticks), key), default=None) if mode != "exact" else None
        if mode == "auto" and key is not None and (key in chosen or key == frames[0]):
            key = None
        position = bisect.bisect_right(frames, ticks + _TICK_TOLERANCE)
        chosen.append(frames[max(position - 1, 0)] if key is None else key)
    return chosen
