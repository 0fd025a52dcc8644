"""Build the rows of a part from sessions and errors."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from jobs.gamedata.errors import item_error
from jobs.gamedata.model import SIGNATURE_SHAPE
from jobs.gamedata.parts.schema import FRAME_COLUMNS, PART_SCHEMA
from shared.errors import TelecineError
from shared.failure import Failure
from shared.scrub import scrub

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import numpy.typing as npt

    from jobs.gamedata.extraction.batches import Item, RunContext
    from jobs.gamedata.model import FrameStore, Session

__all__ = ["common_columns", "error_columns", "session_columns"]

_TRACEBACK_MAX: Final = 8000
_SIGNATURE: Final = "frame_signature"


def common_columns(item: Item, context: RunContext, *, extracted_at: datetime, worker: str) -> dict[str, Any]:
    """Return the columns shared by successful and failed rows."""
    return {
        "s3_key": item.key,
        "source_etag": item.etag,
        "source_size": item.size,
        "spec_digest": context.spec.digest,
        "generation": context.generation,
        "attempt": item.attempt,
        "run_id": context.run_id,
        "extracted_at": extracted_at,
        "version": context.version,
        "revision": context.revision,
        "stored": False,
        "bytes_read": 0,
        "seconds": 0.0,
        "device": None,
        "worker": worker,
    }


def session_columns(session: Session) -> dict[str, Any]:
    """Return the columns that describe a session, its inputs and its frames."""
    columns: dict[str, Any] = {
        "outcome": "ok",
        "video_member": _text(session.video_member),
        "video_id": _text(session.video_id),
        "duration_s": session.duration_s,
        "video_metadata": _json(session.video_metadata),
        "session_metadata": _json(session.session_metadata),
        "reader": session.reader,
        "sampled": sum(len(samples.index) for samples in session.frames.strides.values()),
        "repeated": session.repeated,
        "decoded": session.decoded,
        "warnings": [_text(warning) for warning in session.warnings],
    }
    statistics = session.statistics
    for column in FRAME_COLUMNS:
        values = getattr(statistics, "time_s" if column.name == "frame_time_s" else column.name.removeprefix("frame_"))
        columns[column.name] = values.tobytes() if column.name == _SIGNATURE else values
    columns["frame_stride_s"] = _strides(session.frames)
    if session.inputs is not None:
        inputs = session.inputs
        columns |= {f"input_{name}": getattr(inputs, name) for name in inputs.__slots__}
    _require_storable(columns)
    return columns


def _strides(frames: FrameStore) -> npt.NDArray[np.float64]:
    """Return the shortest stride of each distinct frame, shape (D,)."""
    shortest = np.full(len(frames), np.nan)
    for stride, samples in sorted(frames.strides.items(), reverse=True):
        rows = samples.index
        if rows.dtype != np.int64 or not bool(((rows >= 0) & (rows < len(shortest))).all()):
            raise item_error("decode_crashed", "the decoder process sent a sample of a frame that does not exist")
        shortest[rows] = stride
    return shortest


def _require_storable(columns: Mapping[str, Any]) -> None:
    """Reject values that a part cannot store.

    A decoder process taken over by hostile bytes may send values of the wrong type and lists of the wrong length. They
    must fail here, not take down the whole batch or the checks of all sessions.

    Raises:
        ItemError: ``decode_crashed``.
    """
    cells = SIGNATURE_SHAPE[0] * SIGNATURE_SHAPE[1] * SIGNATURE_SHAPE[2]
    try:
        pa.Table.from_pylist([columns], schema=pa.schema([PART_SCHEMA.field(name) for name in columns]))
        counts = {len(columns[each.name]) / (cells if each.name == _SIGNATURE else 1) for each in FRAME_COLUMNS}
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise item_error("decode_crashed", f"the decoder process sent values of the wrong type: {error}") from error
    if len(counts) != 1:
        raise item_error("decode_crashed", "the decoder process sent different numbers of values per frame")


def error_columns(item: Item, error: BaseException) -> dict[str, Any]:
    """Return the columns of a failed item; text is sanitized and truncated as in the ledger."""
    failure = Failure.of(item.key, error, attempt=item.attempt)
    # Secrets are hidden before truncation, because a truncated one would not be recognised.
    trace = scrub("".join(traceback.format_exception(error)))[-_TRACEBACK_MAX:]
    return {
        "outcome": "error",
        "error_code": failure.code,
        "error_message": failure.message,
        # Sanitized like the message, with a higher size limit.
        "error_traceback": _text(trace).replace("\0", ""),
        # An unexpected error may be the machine's fault.
        "error_retryable": failure.retryable or not isinstance(error, TelecineError),
    }


def _text(value: str) -> str:
    # Names in a TAR are bytes. Invalid UTF-8 was decoded to surrogates, which Parquet cannot store.
    return value.encode("utf-8", "replace").decode()


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"), allow_nan=False)
