"""Rows of parts as extraction commits them, with measured values set by a test."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.gamedata.parts.store import write_part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.storage import ObjectStore

__all__ = ["TIMES", "bars", "commit", "dark", "error_row", "gameplay", "menu", "part_row", "signature"]

# Distinct times of the default sampling of a 600 s session: 15 every 3 s, 15 every 30 s, 5 every 60 s.
TIMES = sorted({*(3.0 * i for i in range(1, 16)), *(30.0 * i for i in range(1, 16)), *(60.0 * i for i in range(1, 6))})
_FRAME_FLOATS = (
    *("luma_mean", "luma_p01", "luma_p50", "luma_p99"),
    *("border_top", "border_bottom", "border_left", "border_right", "static_share"),
)


def signature(seed: int) -> np.ndarray:
    """A thumbnail of coloured noise: uint8, shape (9, 16, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (9, 16, 3), dtype=np.uint8)


def part_row(key: str, *, times: Sequence[float] = TIMES, **columns: Any) -> dict[str, Any]:
    """A successful row; ``luma_mean=5`` sets a frame column for all frames, a list one value per frame.

    Args:
        key: key of the TAR.
        times: times of the frames in seconds.
        columns: part columns, and frame columns without the prefix ``frame_``.
    """
    count = len(times)
    values: dict[str, Any] = {
        "luma_mean": 90.0, "luma_p01": 4.0, "luma_p50": 88.0, "luma_p99": 220.0,
        "border_top": 0.0, "border_bottom": 0.0, "border_left": 0.0, "border_right": 0.0, "static_share": 0.12,
    }  # fmt: skip
    values |= {name: columns.pop(name) for name in _FRAME_FLOATS if name in columns}
    frames = {f"frame_{name}": [value] * count if np.isscalar(value) else list(value) for name, value in values.items()}
    signatures = columns.pop("signatures", None)
    if signatures is None:
        signatures = np.zeros((count, 9, 16, 3), np.uint8)
    row = {
        "s3_key": key,
        "source_etag": f"etag-{key}",
        "source_size": 200_000_000,
        "spec_digest": "0123456789abcdef",
        "generation": 1,
        "attempt": 1,
        "run_id": "run",
        "extracted_at": datetime(2026, 1, 1, tzinfo=UTC),
        "version": "0.1.0",
        "revision": None,
        "outcome": "ok",
        "stored": False,
        "video_member": "recording.mp4",
        "video_id": "recording",
        "duration_s": 600.0,
        "video_metadata": json.dumps({"format": {"duration": "600.000000"}, "streams": [{"codec_name": "h264"}]}),
        "session_metadata": json.dumps({"session_id": key, "game_exe": "game.exe"}),
        "reader": "ranges",
        "sampled": 35,
        "repeated": 0,
        "decoded": count,
        "warnings": [],
        "input_events": 4000,
        "input_keyboard": 900,
        "input_mouse": 3000,
        "input_gamepad": 0,
        "input_first_s": 1758121200.25,
        "input_last_s": 1758121800.75,
        "input_integer_timestamps": False,
        "input_unordered": 0,
        "input_invalid": 0,
        "input_desk_s": 540,
        "input_gamepad_s": 0,
        "frame_time_s": [float(time) for time in times],
        **frames,
        "frame_corrupt": [False] * count,
        "frame_signature": np.ascontiguousarray(signatures).tobytes(),
        "bytes_read": 4_000_000,
        "seconds": 0.4,
        "cpu_s": 0.3,
        "device": "cpu",
        "worker": "test:1",
    }
    unknown = set(columns) - set(row) - {"pt_key", "pt_size", "pt_sha256", "pt_etag"}
    assert not unknown, unknown
    return row | columns


def gameplay(key: str = "gameplay.tar", **columns: Any) -> dict[str, Any]:
    """A normal session."""
    return part_row(key, **columns)


def dark(key: str = "dark.tar", share: float = 1.0, **columns: Any) -> dict[str, Any]:
    """A session whose first frames are black; ``share`` says how many."""
    times = columns.get("times", TIMES)
    black = np.arange(len(times)) < round(share * len(times))
    return part_row(
        key,
        **{
            "luma_mean": np.where(black, 2.0, 90.0),
            "luma_p99": np.where(black, 6.0, 220.0),
            **{f"border_{side}": np.where(black, 1.0, 0.0) for side in ("top", "bottom", "left", "right")},
            "static_share": np.where(black, np.nan, 0.12),
            **columns,
        },
    )


def bars(key: str = "letterbox.tar", sides: str = "top bottom", width: float = 0.12, **columns: Any) -> dict[str, Any]:
    """A session with black bars."""
    return part_row(key, **{"luma_mean": 70.0, **{f"border_{side}": width for side in sides.split()}, **columns})


def menu(key: str = "menu.tar", share: float = 1.0, **columns: Any) -> dict[str, Any]:
    """A session that starts with a menu, for ``share`` of its duration."""
    times = np.asarray(columns.get("times", TIMES))
    duration = columns.get("duration_s", 600.0)
    return part_row(key, **{"static_share": np.where(times <= share * duration, 0.95, 0.1), **columns})


def error_row(key: str = "broken.tar", code: str = "moov_missing", **columns: Any) -> dict[str, Any]:
    """A row of a TAR that could not be read."""
    row = dict.fromkeys(part_row(key))
    kept = part_row(key)
    for name in ("s3_key", "source_etag", "source_size", "spec_digest", "generation", "attempt", "run_id",
                 "extracted_at", "version", "stored", "bytes_read", "seconds"):  # fmt: skip
        row[name] = kept[name]
    return row | {
        "outcome": "error",
        "error_code": code,
        "error_message": f"{key}: no moov box",
        "error_traceback": "Traceback (most recent call last): …",
        "error_retryable": False,
        **columns,
    }


def commit(store: ObjectStore, *rows: dict[str, Any]) -> str:
    """Write rows as one part."""
    return write_part(store, rows)
