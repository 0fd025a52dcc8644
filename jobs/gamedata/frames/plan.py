"""Which frames are decoded for a sampling spec, and from which keyframes: pure arithmetic on a video's index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.gamedata.model import SampleTimes

if TYPE_CHECKING:
    import numpy.typing as npt

    from jobs.gamedata.model import SamplingSpec

__all__ = ["DecodeSpan", "FramePlan", "plan_frames"]

# A time that lies within this part of a tick before a frame means that frame: 0.1 * 3 is no exact 0.3.
_TICK_TOLERANCE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class DecodeSpan:
    """Samples that are decoded one after the other, in decode order.

    Attributes:
        first: the keyframe that decoding begins with.
        last: the last sample that is needed; equal to ``first`` where only the keyframe is.
        rows: rows of :attr:`FramePlan.index` that this span gives.
    """

    first: int
    last: int
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FramePlan:
    """The frames to decode, D of them, each once, in order of pts.

    Attributes:
        index: the frame's sample, counted in decode order, shape (D,), int64.
        first: the sample that decoding begins with for it, shape (D,), int64.
        keyframe: the frame is that sample itself and is decoded alone, shape (D,), bool.
        strides: by stride in seconds: asked times, and for each the row among the D.
        repeated: samples that share their frame with an earlier one of the same stride.
        spans: all that must be decoded, in decode order, no sample in two of them.
    """

    index: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    keyframe: npt.NDArray[np.bool_]
    strides: dict[float, SampleTimes]
    repeated: int
    spans: tuple[DecodeSpan, ...]


class _Timeline:
    """Finds the frame of a time: ``shown`` samples in order of pts, and the keyframes among them."""

    def __init__(
        self,
        pts: npt.NDArray[np.int64],
        keyframe: npt.NDArray[np.bool_],
        shown: npt.NDArray[np.bool_] | None,
        refresh: npt.NDArray[np.bool_] | None,
        lead: int,
    ) -> None:
        candidates = np.arange(len(pts)) if shown is None else np.flatnonzero(shown)
        self.pts = pts
        self.order = candidates[np.argsort(pts[candidates], kind="stable")]
        self.order_pts = pts[self.order]
        self.keys = self.order[keyframe[self.order]]
        self.keys_pts = pts[self.keys]
        # Where decoding may begin; a stream without any keyframe is tried from its first sample, as FFmpeg does.
        starts = np.flatnonzero(keyframe if refresh is None else keyframe | refresh)
        self.alone = keyframe
        self.lead = lead
        self.starts = starts if len(starts) and starts[0] == 0 else np.concatenate([[0], starts])

    def displayed(self, ticks: float) -> int:
        """The frame on the screen: the last one that begins at or before a time."""
        place = int(np.searchsorted(self.order_pts, ticks + _TICK_TOLERANCE, side="right"))
        return int(self.order[max(place - 1, 0)])

    def nearest_keyframe(self, ticks: float) -> int | None:
        """The keyframe nearest to a time, the earlier one of two; None without keyframes."""
        place = int(np.searchsorted(self.keys_pts, ticks))
        around = [at for at in (place - 1, place) if 0 <= at < len(self.keys)]
        if not around:
            return None
        return int(self.keys[min(around, key=lambda at: abs(float(self.keys_pts[at]) - ticks))])

    def start(self, sample: int) -> int:
        """The keyframe that decoding begins with.

        In an open GOP, frames that follow a keyframe in the file but are shown before it need the GOP before.
        """
        before = self.starts[: max(int(np.searchsorted(self.starts, sample, side="right")), 1)]
        earlier = np.flatnonzero(self.pts[before] <= self.pts[sample])
        if not len(earlier):
            return int(before[0])
        place = int(earlier[-1])
        if self.alone[before[place]]:
            return int(before[place])
        # The picture is whole only some way after such a start: begin further ahead, at most at a real keyframe.
        while self.lead and place > 0 and not self.alone[before[place]]:
            place -= 1
            if place <= int(earlier[-1]) - self.lead:
                break
        return int(before[place])


def plan_frames(
    pts: npt.NDArray[np.int64],
    keyframe: npt.NDArray[np.bool_],
    *,
    time_base: tuple[int, int],
    duration_s: float | None,
    spec: SamplingSpec,
    shown: npt.NDArray[np.bool_] | None = None,
    refresh: npt.NDArray[np.bool_] | None = None,
    lead: int = 1,
) -> FramePlan:
    """Choose frames and the spans of samples that give them.

    Asked times are ``(i + 1) * stride`` for i below the stride's count, while they are less than the duration.
    ``exact`` takes the frame displayed at that time, ``keyframe`` the nearest keyframe; ``auto`` the nearest keyframe,
    but the displayed frame where that keyframe serves this stride already or is the very first frame.

    Args:
        pts: of each sample in decode order, shape (S,), in ``time_base``; 0 is the first displayed frame.
        keyframe: shape (S,); decoding may begin at these.
        time_base: ``(numerator, denominator)`` in seconds.
        duration_s: length of the video; None: up to the last frame.
        spec: strides and mode.
        shown: shape (S,): False for samples that are decoded and never displayed (before an edit list's beginning).
        refresh: shape (S,): True where decoding may begin although the picture is whole only later, as where an encoder
            renews it column by column (H.264 recovery points). None of these is chosen as a keyframe.
        lead: so many of ``refresh`` lie between a beginning and what is wanted.

    Raises:
        ValueError: when the arrays' shapes differ, or the time base is not positive.
    """
    if pts.shape != keyframe.shape or pts.ndim != 1 or (shown is not None and shown.shape != pts.shape):
        raise ValueError("pts, keyframe and shown are one-dimensional and equally long")
    if min(time_base) <= 0:
        raise ValueError(f"a time base is positive; got {time_base[0]}/{time_base[1]}")
    empty = np.zeros(0, np.int64)
    timeline = _Timeline(pts, keyframe, shown, refresh, lead) if len(pts) and (shown is None or shown.any()) else None
    if timeline is None:
        none = {stride: SampleTimes(np.zeros(0), empty) for stride, _ in spec.strides}
        return FramePlan(empty, empty, np.zeros(0, np.bool_), none, 0, ())
    per_second = time_base[1] / time_base[0]
    end_s = float(timeline.order_pts[-1]) / per_second + 1 / per_second if duration_s is None else duration_s
    asked = {stride: _asked(stride, count, end_s) for stride, count in spec.strides}
    chosen = {stride: _choose(timeline, times * per_second, spec.mode) for stride, times in asked.items()}

    index = np.unique(np.array([sample for samples in chosen.values() for sample in samples], np.int64))
    index = index[np.argsort(pts[index], kind="stable")]
    rows = {int(sample): row for row, sample in enumerate(index)}
    first = np.array([timeline.start(int(sample)) for sample in index], np.int64)
    strides = {
        stride: SampleTimes(times, np.array([rows[sample] for sample in chosen[stride]], np.int64))
        for stride, times in asked.items()
    }
    repeated = sum(len(samples) - len(set(samples)) for samples in chosen.values())
    return FramePlan(index, first, (first == index) & keyframe[index], strides, repeated, _spans(index, first))


def _asked(stride: float, count: int, end_s: float) -> npt.NDArray[np.float64]:
    times: npt.NDArray[np.float64] = np.arange(1, count + 1, dtype=np.float64) * stride
    return times[times < end_s]


def _choose(timeline: _Timeline, ticks: npt.NDArray[np.float64], mode: str) -> list[int]:
    chosen: list[int] = []
    for time in ticks.tolist():
        nearest = None if mode == "exact" else timeline.nearest_keyframe(time)
        if mode == "auto" and nearest is not None and (nearest == timeline.order[0] or nearest in chosen):
            nearest = None
        chosen.append(timeline.displayed(time) if nearest is None else nearest)
    return chosen


def _spans(index: npt.NDArray[np.int64], first: npt.NDArray[np.int64]) -> tuple[DecodeSpan, ...]:
    """Join what begins at the same keyframe; a span that reaches into the next one takes it in."""
    spans: list[DecodeSpan] = []
    for row in np.lexsort((index, first)).tolist():
        begin, end = int(first[row]), int(index[row])
        if spans and begin <= spans[-1].last:
            spans[-1] = DecodeSpan(spans[-1].first, max(end, spans[-1].last), (*spans[-1].rows, row))
        else:
            spans.append(DecodeSpan(begin, end, (row,)))
    return tuple(spans)
