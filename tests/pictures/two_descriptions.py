"""A muxer of MP4s with two sample descriptions: the samples of one encode, then of another (ISO/IEC 14496-12)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["join"]

_TICKS = 12_000  # of the media's time scale per second
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def join(first: Path, second: Path, path: Path) -> Path:
    """Write the samples of two MP4s as one track, with a sample description and a chunk of its own for each."""
    entries, samples, counts = [], [], []
    start = 0
    for video in (first, second):
        entries.append(_description(video.read_bytes()))
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            packets = [packet for packet in container.demux(stream) if packet.size]
            unit = stream.time_base
            assert unit is not None
            width, height = stream.width, stream.height
        ticks = [(round(p.pts * unit * _TICKS), round(p.dts * unit * _TICKS)) for p in packets]  # type: ignore[operator]
        lowest = min(dts for _, dts in ticks)
        step = ticks[1][1] - ticks[0][1]
        samples += [
            (bytes(packet), pts - lowest + start, dts - lowest + start, packet.is_keyframe)
            for packet, (pts, dts) in zip(packets, ticks, strict=True)
        ]
        counts.append(len(packets))
        start += max(dts for _, dts in ticks) - lowest + step
    path.write_bytes(_file(entries, samples, counts, step, (width, height)))
    return path


def _file(
    entries: Sequence[bytes],
    samples: Sequence[tuple[bytes, int, int, bool]],
    counts: Sequence[int],
    step: int,
    size: tuple[int, int],
) -> bytes:
    header = _box(b"ftyp", b"isom" + struct.pack(">I", 512) + b"isomiso2avc1mp41")
    body = b"".join(sample[0] for sample in samples)
    begin = len(header) + 8
    offsets = [begin, begin + sum(len(sample[0]) for sample in samples[: counts[0]])]
    duration = samples[-1][2] + step
    dts = [sample[2] for sample in samples]
    deltas = [after - before for before, after in zip(dts, [*dts[1:], duration], strict=True)]
    keys = [number for number, sample in enumerate(samples, 1) if sample[3]]
    tables = _box(
        b"stbl",
        _full(b"stsd", struct.pack(">I", len(entries)) + b"".join(entries)),
        _full(b"stts", _counted([(1, delta) for delta in deltas])),
        _full(b"ctts", _counted([(1, pts - decoded) for _, pts, decoded, _ in samples])),
        _full(b"stss", _counted([(number,) for number in keys])),
        _full(b"stsc", _counted([(1, counts[0], 1), (2, counts[1], 2)])),
        _full(b"stsz", struct.pack(">I", 0) + _counted([(len(sample[0]),) for sample in samples])),
        _full(b"stco", _counted([(offset,) for offset in offsets])),
    )
    data = _box(b"dinf", _full(b"dref", struct.pack(">I", 1) + _full(b"url ", b"", flags=1)))
    media = _box(
        b"mdia",
        _full(b"mdhd", struct.pack(">IIIIHH", 0, 0, _TICKS, duration, 0x55C4, 0)),
        _full(b"hdlr", struct.pack(">I4s12x", 0, b"vide") + b"video\0"),
        _box(b"minf", _full(b"vmhd", bytes(8), flags=1), data, tables),
    )
    track = struct.pack(">IIIII8xHHHH", 0, 0, 1, 0, duration, 0, 0, 0, 0) + _MATRIX
    track += struct.pack(">II", size[0] << 16, size[1] << 16)
    movie = struct.pack(">IIIIIH10x", 0, 0, _TICKS, duration, 0x10000, 0x100) + _MATRIX + bytes(24)
    moov = _box(
        b"moov",
        _full(b"mvhd", movie + struct.pack(">I", 2)),
        _box(b"trak", _full(b"tkhd", track, flags=3), media),
    )
    return header + _box(b"mdat", body) + moov


def _counted(rows: Sequence[tuple[int, ...]]) -> bytes:
    return struct.pack(">I", len(rows)) + b"".join(struct.pack(f">{len(row)}I", *row) for row in rows)


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, body: bytes, *, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", flags), body)


def _description(file: bytes) -> bytes:
    """Return the only entry of a file's stsd box."""
    body = file
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        body = _child(body, kind)
    return body[8:]  # after version, flags and count


def _child(body: bytes, wanted: bytes) -> bytes:
    position = 0
    while position < len(body):
        size, kind = struct.unpack_from(">I4s", body, position)
        if kind == wanted:
            return body[position + 8 : position + size]
        position += size
    raise ValueError(f"the box {wanted!r} is missing")
