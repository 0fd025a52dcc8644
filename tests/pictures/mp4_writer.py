"""A muxer for MP4s that no other muxer writes: several sample descriptions, any edit list (ISO/IEC 14496-12)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import av

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["write_mp4"]

_TICKS: Final = 12_000  # of the media's and the movie's time scale per second
# The display matrix of tkhd by degrees clockwise, without the translation, as many recorders write it.
_TURNS: Final = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


@dataclass(slots=True)
class _Track:
    entries: list[bytes]
    counts: list[int]  # of the samples of each entry
    samples: list[tuple[bytes, int, int, bool]]  # body, pts, dts, listed as a sync sample
    step: int
    size: tuple[int, int]


def write_mp4(
    parts: Sequence[Path], path: Path, *, edit_s: float | None = None, rotation: int = 0, unlisted: int = 0
) -> Path:
    """Write the samples of MP4s as one track, with a sample description and a chunk of its own for each.

    Args:
        parts: the MP4s.
        path: the output file.
        edit_s: begin the only edit at this media time; None writes no edit list.
        rotation: degrees clockwise in the track's matrix.
        unlisted: number of keyframes at the start that are not listed as sync samples.
    """
    track = _read(parts)
    keys = [number for number, sample in enumerate(track.samples) if sample[3]]
    for number in keys[:unlisted]:
        track.samples[number] = (*track.samples[number][:3], False)
    path.write_bytes(_file(track, edit_s, rotation))
    return path


def _read(parts: Sequence[Path]) -> _Track:
    track = _Track([], [], [], 0, (0, 0))
    start = 0
    for video in parts:
        track.entries.append(_description(video.read_bytes()))
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            packets = [packet for packet in container.demux(stream) if packet.size]
            unit = stream.time_base
            assert unit is not None
            track.size = stream.width, stream.height
        ticks = [(round(p.pts * unit * _TICKS), round(p.dts * unit * _TICKS)) for p in packets]  # type: ignore[operator]
        lowest = min(dts for _, dts in ticks)
        track.step = ticks[1][1] - ticks[0][1]
        track.samples += [
            (bytes(packet), pts - lowest + start, dts - lowest + start, packet.is_keyframe)
            for packet, (pts, dts) in zip(packets, ticks, strict=True)
        ]
        track.counts.append(len(packets))
        start += max(dts for _, dts in ticks) - lowest + track.step
    return track


def _file(track: _Track, edit_s: float | None, rotation: int) -> bytes:
    header = _box(b"ftyp", b"isom" + struct.pack(">I", 512) + b"isomiso2avc1mp41")
    bodies = [sample[0] for sample in track.samples]
    duration = track.samples[-1][2] + track.step
    offset, first, offsets = len(header) + 8, 0, []
    for count in track.counts:
        offsets.append(offset)
        offset += sum(map(len, bodies[first : first + count]))
        first += count
    data = _box(b"dinf", _full(b"dref", struct.pack(">I", 1) + _full(b"url ", b"", flags=1)))
    media = _box(
        b"mdia",
        _full(b"mdhd", struct.pack(">IIIIHH", 0, 0, _TICKS, duration, 0x55C4, 0)),
        _full(b"hdlr", struct.pack(">I4s12x", 0, b"vide") + b"video\0"),
        _box(b"minf", _full(b"vmhd", bytes(8), flags=1), data, _tables(track, offsets, duration)),
    )
    edits = b""
    if edit_s is not None:
        begin = round(edit_s * _TICKS)
        edits = _box(b"edts", _full(b"elst", struct.pack(">IIiI", 1, duration - begin, begin, 0x10000)))
    tkhd = struct.pack(">IIIII8xHHHH", 0, 0, 1, 0, duration, 0, 0, 0, 0) + _matrix(rotation)
    tkhd += struct.pack(">II", track.size[0] << 16, track.size[1] << 16)
    mvhd = struct.pack(">IIIIIH10x", 0, 0, _TICKS, duration, 0x10000, 0x100) + _matrix(0) + bytes(24)
    moov = _box(
        b"moov",
        _full(b"mvhd", mvhd + struct.pack(">I", 2)),
        _box(b"trak", _full(b"tkhd", tkhd, flags=3), edits, media),
    )
    return header + _box(b"mdat", *bodies) + moov


def _tables(track: _Track, offsets: Sequence[int], duration: int) -> bytes:
    dts = [sample[2] for sample in track.samples]
    deltas = [after - before for before, after in zip(dts, [*dts[1:], duration], strict=True)]
    keys = [number for number, sample in enumerate(track.samples, 1) if sample[3]]
    chunks = [(number, count, number) for number, count in enumerate(track.counts, 1)]
    return _box(
        b"stbl",
        _full(b"stsd", struct.pack(">I", len(track.entries)) + b"".join(track.entries)),
        _full(b"stts", _counted([(1, delta) for delta in deltas])),
        _full(b"ctts", _counted([(1, pts - decoded) for _, pts, decoded, _ in track.samples])),
        _full(b"stss", _counted([(number,) for number in keys])),
        _full(b"stsc", _counted(chunks)),
        _full(b"stsz", struct.pack(">I", 0) + _counted([(len(sample[0]),) for sample in track.samples])),
        _full(b"stco", _counted([(offset,) for offset in offsets])),
    )


def _matrix(rotation: int) -> bytes:
    a, b, c, d = (0x10000 * number for number in _TURNS[rotation])
    return struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)


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
