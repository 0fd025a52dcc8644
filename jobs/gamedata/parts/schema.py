"""The columns of a part: one row per attempted TAR, with its results or its error.

Frame times, statistics and thumbnails are lists with one element per distinct sampled frame (D).
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

__all__ = ["ADDED_COLUMNS", "FRAME_COLUMNS", "IDENTITY", "INPUT_COLUMNS", "PART_SCHEMA", "PART_VERSION"]

# Stored in the metadata of each part; readers reject parts of any other version.
PART_VERSION: Final = 1

# Columns that identify a row and decide which row of a TAR is current.
IDENTITY: Final = (
    "s3_key", "source_etag", "spec_digest", "generation", "attempt", "run_id", "outcome",
    "stored", "pt_key", "pt_size", "pt_etag",
)  # fmt: skip

# All null if the TAR has no inputs.csv or could not be read.
INPUT_COLUMNS: Final = (
    pa.field("input_events", pa.int64()),
    pa.field("input_keyboard", pa.int64()),
    pa.field("input_mouse", pa.int64()),
    pa.field("input_gamepad", pa.int64()),
    pa.field("input_first_s", pa.float64()),
    pa.field("input_last_s", pa.float64()),
    pa.field("input_integer_timestamps", pa.bool_()),
    pa.field("input_unordered", pa.int64()),
    pa.field("input_invalid", pa.int64()),
    pa.field("input_desk_s", pa.int64()),
    pa.field("input_gamepad_s", pa.int64()),
)
# Columns that were added later without a new version. Older parts lack them; they are read as null.
ADDED_COLUMNS: Final = frozenset({"input_desk_s", "input_gamepad_s", "frame_stride_s"})

# All null if the outcome is an error. Meanings and units: jobs.gamedata.model.FrameStatistics.
FRAME_COLUMNS: Final = (
    pa.field("frame_time_s", pa.list_(pa.float64())),
    pa.field("frame_luma_mean", pa.list_(pa.float32())),
    pa.field("frame_luma_p01", pa.list_(pa.float32())),
    pa.field("frame_luma_p50", pa.list_(pa.float32())),
    pa.field("frame_luma_p99", pa.list_(pa.float32())),
    pa.field("frame_border_top", pa.list_(pa.float32())),
    pa.field("frame_border_bottom", pa.list_(pa.float32())),
    pa.field("frame_border_left", pa.list_(pa.float32())),
    pa.field("frame_border_right", pa.list_(pa.float32())),
    pa.field("frame_static_share", pa.list_(pa.float32())),
    pa.field("frame_corrupt", pa.list_(pa.bool_())),
    pa.field("frame_signature", pa.binary()),  # D * 9 * 16 * 3 bytes: uint8 RGB thumbnails, (D, 9, 16, 3)
)

PART_SCHEMA: Final = pa.schema(
    [
        # The content and the sampling spec.
        pa.field("s3_key", pa.string(), nullable=False),
        pa.field("source_etag", pa.string(), nullable=False),  # "" if the TAR is missing
        pa.field("source_size", pa.int64(), nullable=False),
        pa.field("spec_digest", pa.string(), nullable=False),
        # The attempt. `generation` orders results without relying on clocks: one more than the largest when the run
        # began.
        pa.field("generation", pa.int64(), nullable=False),
        pa.field("attempt", pa.int64(), nullable=False),  # 1 for the first attempt at this content and spec
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("extracted_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("version", pa.string(), nullable=False),
        pa.field("revision", pa.string()),  # git commit, if known
        # The outcome.
        pa.field("outcome", pa.string(), nullable=False),  # ok | error
        pa.field("error_code", pa.string()),
        pa.field("error_message", pa.string()),
        pa.field("error_traceback", pa.string()),
        pa.field("error_retryable", pa.bool_()),
        # The .pt file; null if none was stored.
        pa.field("stored", pa.bool_(), nullable=False),
        pa.field("pt_key", pa.string()),
        pa.field("pt_size", pa.int64()),
        pa.field("pt_sha256", pa.string()),
        pa.field("pt_etag", pa.string()),
        # The session; null if the outcome is an error.
        pa.field("video_member", pa.string()),
        pa.field("video_id", pa.string()),
        pa.field("duration_s", pa.float64()),
        pa.field("video_metadata", pa.string()),  # JSON text
        pa.field("session_metadata", pa.string()),  # JSON text
        pa.field("reader", pa.string()),  # ranges | ffmpeg
        pa.field("sampled", pa.int64()),  # samples over all strides
        pa.field("repeated", pa.int64()),
        pa.field("decoded", pa.int64()),
        pa.field("warnings", pa.list_(pa.string())),
        *INPUT_COLUMNS,
        *FRAME_COLUMNS,
        pa.field("frame_stride_s", pa.list_(pa.float64())),  # the shortest stride that sampled the frame
        # The cost.
        pa.field("bytes_read", pa.int64(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),  # wall-clock time of the item
        pa.field("cpu_s", pa.float64()),  # worker and decoder process; null if unknown
        pa.field("device", pa.string()),  # device that computed the statistics: cpu | cuda
        pa.field("worker", pa.string()),  # host:pid
    ]
)
