"""The view of a session that checks receive: a part's row as arrays and attributes."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobs.gamedata.model import SIGNATURE_SHAPE, FrameStatistics, InputStatistics

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SessionStatistics"]

_FLOATS: Final = (
    *("luma_mean", "luma_p01", "luma_p50", "luma_p99"),
    *("border_top", "border_bottom", "border_left", "border_right", "static_share"),
)
_COUNTS: Final = ("keyboard", "mouse", "gamepad")


class SessionStatistics:
    """The values that extraction measured for one session.

    Args:
        row: the part's columns by name.

    Attributes:
        s3_key: the TAR's key.
        video_id: the video's stem.
        duration_s: duration of the video in seconds; None if the container does not record it.
        sampled: number of samples over all strides.
        warnings: tolerated irregularities, as text.
        row: all part columns, unchanged.
    """

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.row = row
        self.s3_key: str = row["s3_key"]
        self.video_id: str | None = row.get("video_id")
        self.duration_s: float | None = row.get("duration_s")
        self.sampled: int = row.get("sampled") or 0
        self.warnings: list[str] = list(row.get("warnings") or ())

    def __repr__(self) -> str:
        return f"SessionStatistics({self.s3_key!r})"

    @cached_property
    def video_metadata(self) -> dict[str, Any]:
        """``format`` and ``streams``, as ffprobe prints them."""
        return _document(self.row.get("video_metadata"))

    @cached_property
    def session_metadata(self) -> dict[str, Any]:
        """The contents of metadata.json."""
        return _document(self.row.get("session_metadata"))

    @cached_property
    def frames(self) -> FrameStatistics:
        """Measured values of the D distinct sampled frames, in order of time (arrays of shape (D,))."""
        times = np.asarray(self.row.get("frame_time_s") or (), np.float64)
        floats = {name: np.asarray(self.row.get(f"frame_{name}") or (), np.float32) for name in _FLOATS}
        raw = self.row.get("frame_signature") or b""
        return FrameStatistics(
            time_s=times,
            corrupt=np.asarray(self.row.get("frame_corrupt") or (), np.bool_),
            signature=np.frombuffer(raw, np.uint8).reshape(-1, *SIGNATURE_SHAPE),
            **floats,
        )

    @cached_property
    def inputs(self) -> InputStatistics | None:
        """The statistics of inputs.csv; None without one."""
        if self.row.get("input_events") is None:
            return None
        return InputStatistics(
            events=self.row["input_events"],
            first_s=self.row.get("input_first_s"),
            last_s=self.row.get("input_last_s"),
            integer_timestamps=bool(self.row.get("input_integer_timestamps")),
            unordered=self.row.get("input_unordered") or 0,
            invalid=self.row.get("input_invalid") or 0,
            desk_s=self.row.get("input_desk_s"),
            gamepad_s=self.row.get("input_gamepad_s"),
            **{name: self.row.get(f"input_{name}") or 0 for name in _COUNTS},
        )


def _document(text: str | None) -> dict[str, Any]:
    document = json.loads(text) if text else {}
    return document if isinstance(document, dict) else {}
