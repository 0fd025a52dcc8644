"""Choose frames for ``--strides`` and ``--sampling``, and the keyframes to start from, using only a video's index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.gamedata.model import SampleTimes

if TYPE_CHECKING:
    import numpy.typing as npt

    from jobs.gamedata.model import SamplingSpec

__all__ = ["DecodeSpan", "FramePlan", "plan_frames", "spans_of"]

# A time up to this fraction of a tick before a frame still selects that frame, because 0.1 * 3 is not exactly 0.3.
_TICK_TOLERANCE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class DecodeSpan:
    """Samples that are decoded consecutively, in decode order.

    Attributes:
        first: the keyframe that decoding starts from.
        last: the last sample needed; equal to ``first`` if only the keyframe is needed.
        rows: the rows of :attr:`FramePlan.index` that this span decodes.
    """

    first: int
    last: int
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FramePlan:
    """The D distinct frames to decode, ordered by pts.

    Attributes:
        index: the frame's sample number in decode order, shape (D,), int64.
        first: the sample that decoding starts from, shape (D,), int64.
        keyframe: True if the frame is that sample itself and is decoded alone, shape (D,), bool.
        strides: stride in seconds -> the requested times and the row of the frame for each.
        repeated: number of samples that share their frame with an earlier one of the same stride.
        spans: everything to decode, in decode order; no sample is in two spans.
    """

    index: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    keyframe: npt.NDArray[np.bool_]
    strides: dict[float, SampleTimes]
    repeated: int
    spans: tuple[DecodeSpan, ...]


@dataclass(frozen=True, slots=True)
class _Starts:
    """Samples to start decoding from; see :func:`plan_frames`."""

    complete: npt.NDArray[np.bool_]
    refresh: npt.NDArray[np.bool_] | None
    lead: int
    reach: int


class _Timeline:
    """The displayed samples ordered by pts and the keyframes among them, to look up the frame at a time."""

    def __init__(
        self,
        pts: npt.NDArray[np.int64],
        keyframe: npt.NDArray[np.bool_],
        shown: npt.NDArray[np.bool_] | None,
        starts: _Starts,
    ) -> None:
        candidates = np.arange(len(pts)) if shown is None else np.flatnonzero(shown)
        self.pts = pts
        self.order = candidates[np.argsort(pts[candidates], kind="stable")]
        self.order_pts = pts[self.order]
        self.keys = self.order[keyframe[self.order]]
        self.keys_pts = pts[self.keys]
        # Samples where decoding may start. Without keyframes, decoding starts from the first sample, as in FFmpeg.
        self.complete, refresh = starts.complete, starts.refresh
        may = np.flatnonzero(self.complete if refresh is None else self.complete | refresh)
        self.lead, self.reach = starts.lead, starts.reach
        self.starts = may if len(may) and may[0] == 0 else np.concatenate([[0], may])

    def displayed(self, ticks: float) -> int:
        """Return the frame on the screen at a time: the last one that starts at or before it."""
        position = int(np.searchsorted(self.order_pts, ticks + _TICK_TOLERANCE, side="right"))
        return int(self.order[max(position - 1, 0)])

    def nearest_keyframe(self, ticks: float) -> int | None:
        """Return the keyframe nearest to a time, the earlier of two equally near; None without keyframes."""
        position = int(np.searchsorted(self.keys_pts, ticks))
        around = [number for number in (position - 1, position) if 0 <= number < len(self.keys)]
        if not around:
            return None
        return int(self.keys[min(around, key=lambda number: abs(float(self.keys_pts[number]) - ticks))])

    def start(self, sample: int) -> int:
        """Return the keyframe to start decoding from.

        In an open GOP, frames that follow a keyframe in the file but are displayed before it need the previous GOP.
        """
        before = self.starts[: max(int(np.searchsorted(self.starts, sample, side="right")), 1)]
        earlier = np.flatnonzero(self.pts[before] <= self.pts[sample])
        if not len(earlier):
            return int(before[0])
        number = int(earlier[-1])
        if self.complete[before[number]]:
            return int(before[number])
        # The picture is complete only some frames after such a sample: start at the real keyframe before it or, if that
        # is too far away, a few of these samples earlier.
        real = number
        while real > 0 and not self.complete[before[real]]:
            real -= 1
        if sample - int(before[real]) <= self.reach:
            return int(before[real])
        return int(before[max(number - self.lead, real)])


def plan_frames(
    pts: npt.NDArray[np.int64],
    keyframe: npt.NDArray[np.bool_],
    *,
    time_base: tuple[int, int],
    duration_s: float | None,
    spec: SamplingSpec,
    shown: npt.NDArray[np.bool_] | None = None,
    complete: npt.NDArray[np.bool_] | None = None,
    refresh: npt.NDArray[np.bool_] | None = None,
    lead: int = 2,
    reach: int = 0,
) -> FramePlan:
    """Choose the frames to sample and the spans of samples to decode for them.

    The requested times are ``(i + 1) * stride`` for i below the stride's count, up to the duration.
    ``exact`` selects the frame displayed at that time, ``keyframe`` the nearest keyframe. ``auto`` selects the nearest
    keyframe, or the displayed frame if that keyframe is already used by this stride or is the very first frame.

    Args:
        pts: pts of each sample in decode order, shape (S,), in ``time_base``; 0 is the first displayed frame.
        keyframe: shape (S,): True for frames that count as keyframes.
        time_base: ``(numerator, denominator)`` in seconds.
        duration_s: length of the video; None means up to the last frame.
        spec: strides and mode.
        shown: shape (S,): False for samples that are decoded but never displayed (before the start of an edit list).
        complete: shape (S,): True where decoding may start; None for ``keyframe``.
        refresh: shape (S,): True where decoding may start although the picture is complete only later, because the
            encoder refreshes it column by column (H.264 recovery points). None of these is chosen as a keyframe.
        lead: how many ``refresh`` samples earlier than the nearest one to start decoding.
        reach: start at the keyframe instead if it is at most this many samples away.

    Raises:
        ValueError: the shapes of the arrays differ, or the time base is not positive.
    """
    if pts.shape != keyframe.shape or pts.ndim != 1 or (shown is not None and shown.shape != pts.shape):
        raise ValueError("pts, keyframe and shown differ in shape; expected one-dimensional arrays of equal length")
    if min(time_base) <= 0:
        raise ValueError(f"the time base {time_base[0]}/{time_base[1]} is not positive")
    empty = np.zeros(0, np.int64)
    starts = _Starts(keyframe if complete is None else complete, refresh, lead, reach)
    timeline = _Timeline(pts, keyframe, shown, starts) if len(pts) and (shown is None or shown.any()) else None
    if timeline is None:
        none = {stride: SampleTimes(np.zeros(0), empty) for stride, _ in spec.strides}
        return FramePlan(empty, empty, np.zeros(0, np.bool_), none, 0, ())
    per_second = time_base[1] / time_base[0]
    end_s = float(timeline.order_pts[-1]) / per_second + 1 / per_second if duration_s is None else duration_s
    requested = {stride: _requested(stride, count, end_s) for stride, count in spec.strides}
    chosen = {stride: _choose(timeline, times * per_second, spec.mode) for stride, times in requested.items()}

    index = np.unique(np.array([sample for samples in chosen.values() for sample in samples], np.int64))
    index = index[np.argsort(pts[index], kind="stable")]
    rows = {int(sample): row for row, sample in enumerate(index)}
    first = np.array([timeline.start(int(sample)) for sample in index], np.int64)
    strides = {
        stride: SampleTimes(times, np.array([rows[sample] for sample in chosen[stride]], np.int64))
        for stride, times in requested.items()
    }
    repeated = sum(len(samples) - len(set(samples)) for samples in chosen.values())
    return FramePlan(index, first, (first == index) & keyframe[index], strides, repeated, spans_of(index, first))


def _requested(stride: float, count: int, end_s: float) -> npt.NDArray[np.float64]:
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


def spans_of(index: npt.NDArray[np.int64], first: npt.NDArray[np.int64]) -> tuple[DecodeSpan, ...]:
    """Return one span per start keyframe, with overlapping spans merged."""
    spans: list[DecodeSpan] = []
    for row in np.lexsort((index, first)).tolist():
        begin, end = int(first[row]), int(index[row])
        if spans and begin <= spans[-1].last:
            spans[-1] = DecodeSpan(spans[-1].first, max(end, spans[-1].last), (*spans[-1].rows, row))
        else:
            spans.append(DecodeSpan(begin, end, (row,)))
    return tuple(spans)
