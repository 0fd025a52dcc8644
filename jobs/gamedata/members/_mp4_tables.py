"""The sample tables of an MP4 track (ISO/IEC 14496-12 §8.6, §8.7) as numpy arrays, one entry per sample.

Before an array is allocated, its count is checked against the size of the table, and sums against the number of
samples: a table of a few bytes can claim four billion samples.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobs.gamedata.members._mp4_boxes import NeedsFFmpeg, children, only

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["SampleTable", "read_samples"]

# 24 hours at 60 fps are 5.2 million samples.
_MAX_SAMPLES: Final = 8_000_000
# FFmpeg drops a table with larger offsets (mov.c, mov_read_ctts).
_MAX_OFFSET: Final = 1 << 28


@dataclass(frozen=True, slots=True)
class SampleTable:
    """S samples in decode order, as int64 arrays; times in the track's time scale.

    Attributes:
        dts: decode times, starting at 0.
        pts: composition times.
        duration: time until the next sample's decode time.
        offset: position of each sample's first byte in the file.
        size: length of each sample in bytes.
        keyframe: bool, True for sync samples.
    """

    dts: npt.NDArray[np.int64]
    pts: npt.NDArray[np.int64]
    duration: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    keyframe: npt.NDArray[np.bool_]


def read_samples(stbl: memoryview) -> SampleTable:
    """Return one track's samples, expanded from its tables.

    Raises:
        NeedsFFmpeg: the tables contradict each other, or contain something that readers interpret differently.
    """
    kinds = [box.kind for box in children(stbl)]
    if b"stps" in kinds:
        raise NeedsFFmpeg("partial sync samples (stps)")
    for box in children(stbl):
        if box.kind == b"sbgp" and bytes(box.body[4:8]) == b"rap ":
            raise NeedsFFmpeg("random access points in a sample group")
    size = _sizes(stbl)
    count = len(size)
    duration = _per_sample(_table(stbl, b"stts", ">u4", 2), count, "stts")
    if count and int(duration.max()) >= 1 << 31:
        raise NeedsFFmpeg("negative sample durations (stts)")
    dts = np.cumsum(duration) - duration
    offsets = _table(stbl, b"ctts", ">u4", 2)
    shift = (
        _per_sample(offsets, count, "ctts").astype(np.uint32).view(np.int32) if len(offsets) else np.zeros(1, np.int32)
    )
    if len(shift) and int(np.abs(shift.astype(np.int64)).max()) > _MAX_OFFSET:
        raise NeedsFFmpeg("composition offsets out of range (ctts)")
    return SampleTable(dts, dts + shift, duration, _offsets(stbl, size), size, _keyframes(stbl, count))


def _table(stbl: memoryview, kind: bytes, entry: str, columns: int) -> npt.NDArray[Any]:
    """Return the entries of a full box as an array (entries, columns); (0, columns) without the box."""
    body = only(stbl, kind, least=8)
    if body is None:
        return np.zeros((0, columns), np.int64)
    (count,) = struct.unpack_from(">I", body, 4)
    need = count * columns * np.dtype(entry).itemsize
    if need > len(body) - 8:
        raise NeedsFFmpeg(f"{kind.decode()} claims {count} entries in {len(body) - 8} bytes")
    return np.frombuffer(body, entry, count * columns, 8).reshape(count, columns).astype(np.int64)


def _per_sample(table: npt.NDArray[np.int64], count: int, name: str) -> npt.NDArray[np.int64]:
    """Return one value per sample, from entries of ``(number of samples, value)``."""
    if int(table[:, 0].sum()) != count:
        raise NeedsFFmpeg(f"{name} covers {int(table[:, 0].sum())} samples but there are {count}")
    spread: npt.NDArray[np.int64] = np.repeat(table[:, 1], table[:, 0])
    return spread


def _sizes(stbl: memoryview) -> npt.NDArray[np.int64]:
    body = only(stbl, b"stsz", least=12)
    if body is None:
        raise NeedsFFmpeg("no table of sample sizes (stsz)")
    same, count = struct.unpack_from(">II", body, 4)
    if count > _MAX_SAMPLES:
        raise NeedsFFmpeg(f"{count} samples, more than the limit of {_MAX_SAMPLES}")
    if same:
        return np.full(count, same, np.int64)
    if count * 4 > len(body) - 12:
        raise NeedsFFmpeg(f"stsz claims {count} samples in {len(body) - 12} bytes")
    return np.frombuffer(body, ">u4", count, 12).astype(np.int64)


def _offsets(stbl: memoryview, size: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the position of each sample, from the offsets of the chunks that contain consecutive samples."""
    chunks = np.concatenate([_table(stbl, b"stco", ">u4", 1)[:, 0], _table(stbl, b"co64", ">u8", 1)[:, 0]])
    if only(stbl, b"stco") is not None and only(stbl, b"co64") is not None:
        raise NeedsFFmpeg("two tables of chunk offsets (stco, co64)")
    runs = _table(stbl, b"stsc", ">u4", 3)
    if not len(size):
        return np.zeros(0, np.int64)
    first = runs[:, 0]
    if not len(runs) or first[0] != 1 or (np.diff(first) <= 0).any() or first[-1] > len(chunks):
        raise NeedsFFmpeg("stsc does not list the chunks in order")
    if (runs[:, 2] != 1).any():
        raise NeedsFFmpeg("several sample descriptions")
    if int(chunks.min()) < 0 or int(chunks.max()) > 1 << 62:
        raise NeedsFFmpeg("chunk offsets out of range")
    per_chunk: npt.NDArray[np.int64] = np.repeat(runs[:, 1], np.diff(np.append(first, len(chunks) + 1)))
    if int(per_chunk.sum()) != len(size):
        raise NeedsFFmpeg(f"the chunks hold {int(per_chunk.sum())} samples but there are {len(size)}")
    before = np.cumsum(size) - size
    first_sample = np.cumsum(per_chunk) - per_chunk
    filled = per_chunk > 0
    in_chunk = before - np.repeat(before[first_sample[filled]], per_chunk[filled])
    begin = np.repeat(chunks[filled], per_chunk[filled])
    positions: npt.NDArray[np.int64] = begin + in_chunk
    return positions


def _keyframes(stbl: memoryview, count: int) -> npt.NDArray[np.bool_]:
    """Return which samples are sync samples.

    In the standard, a missing table means that all samples are. But some muxers omit the table in any case, and FFmpeg
    then parses the stream.
    """
    if only(stbl, b"stss") is None:
        raise NeedsFFmpeg("no table of keyframes (stss)")
    keyframe = np.zeros(count, np.bool_)
    numbers = _table(stbl, b"stss", ">u4", 1)[:, 0]
    if len(numbers) and (int(numbers.min()) < 1 or int(numbers.max()) > count or (np.diff(numbers) <= 0).any()):
        raise NeedsFFmpeg("stss does not list the samples in order")
    keyframe[numbers - 1] = True
    return keyframe
