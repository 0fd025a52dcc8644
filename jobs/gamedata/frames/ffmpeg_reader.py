"""The reader for all videos except plain MP4s: FFmpeg's default stream, its packets and times (AVI has none).

A first pass demuxes without decoding and builds the same index that an MP4 contains. Both readers share planning and
decoding, so they return the same frames.
"""

from __future__ import annotations

import zlib
from array import array
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np

from jobs.gamedata.errors import item_error
from jobs.gamedata.frames._recovery_points import NAL_CODECS, decodes_alone
from jobs.gamedata.frames.decoder import SIDE_DATA, open_context, stream_parameters
from jobs.gamedata.frames.packet_reader import MAX_REORDER, SideDataEvents
from jobs.gamedata.ranges.source import BufferedSource, SourceIO
from shared.errors import ItemError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import NoReturn

    import numpy.typing as npt
    from av.container import InputContainer

    from jobs.gamedata.ranges.source import RangeSource

__all__ = ["FFmpegReader", "open_video"]

# Self-contained formats only: playlists (hls, dash, concat, sdp) refer to other files and hosts.
_FORMATS: Final = (
    "mov,matroska,webm,avi,mpegts,flv,mpeg,asf,ogg,ivf,nut,mxf,rm,wtv,mpegvideo,h264,hevc,obu,m4v,live_flv,gif,apng"
)
_BLOCK: Final = 1024 * 1024
_BLOCKS: Final = 16
# Containers whose timestamps only count packets in storage order. FFmpeg's parsers correct them for MPEG-4 Part 2, but
# not for H.264.
_WITHOUT_TIMES: Final = ("avi", "h264", "hevc", "m4v")
# Maximum total pixels for a pass that decodes everything. At 640x360 this takes 12 s of the 30 s allowed per item.
_ORDER_PIXELS: Final = 3e9
_ROTATABLE: Final = ("mov", "matroska")  # the containers that can store a display matrix
_ROTATION_TRIES: Final = 8  # maximum keyframes to decode in search of the rotation
_OUTPUT_CORRUPT: Final = 1 << 3
# Read ahead instead of seeking if the next packet is within this distance: a seek reads a block of 1 MB or more.
_NEAR: Final = 4 * 1024 * 1024
# After this many seeks that landed too late, the rest is read in order.
_BAD_SEEKS: Final = 2
# Maximum packets after a seek that the first pass did not return: parsers may return partial packets.
_UNKNOWN: Final = 64
_DISTRUSTED: Final = 2
_MAY_RESTART: Final = 0x0200  # AVFMT_TS_DISCONT
_BEFORE: Final = 5  # packets before a restart whose median time must be later
_LARGEST_MOVE: Final = 1 << 40  # ticks; 141 days at 90 kHz


def open_video(source: RangeSource, *, max_pixels: int) -> InputContainer:
    """Open a video with FFmpeg.

    Args:
        source: the video's bytes.
        max_pixels: larger frames are rejected, even while streams are probed.

    Raises:
        ItemError: ``video_invalid``.
    """
    try:
        return av.open(
            SourceIO(source),
            "r",
            options={"format_whitelist": _FORMATS, "max_pixels": str(max_pixels)},
            metadata_errors="replace",
            io_open=_refuse,
        )
    except MemoryError:
        raise
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise item_error(
            "video_invalid",
            f"FFmpeg cannot open the video ({_words(error)}); expected one video file in a known format",
        ) from error


def _refuse(url: str, *_: Any) -> NoReturn:
    raise PermissionError(f"the video refers to '{url}'; expected a self-contained file")


def _words(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)


@dataclass(slots=True)
class _Index:
    """The packets of a stream in file order; int64, except the flags."""

    ticks: array[int] = field(default_factory=lambda: array("q"))
    dts: array[int] = field(default_factory=lambda: array("q"))
    size: array[int] = field(default_factory=lambda: array("q"))
    duration: array[int] = field(default_factory=lambda: array("q"))
    crc: array[int] = field(default_factory=lambda: array("q"))
    listed: bytearray = field(default_factory=bytearray)
    alone: bytearray = field(default_factory=bytearray)
    shown: bytearray = field(default_factory=bytearray)
    untimed: int = 0


class FFmpegReader:
    """Read the index and packets of FFmpeg's default video stream.

    Args:
        source: the video's bytes.
        max_pixels: larger frames are rejected.

    Attributes:
        parameters: the stream's parameters as FFmpeg found them.
        width: stored width in pixels.
        height: stored height in pixels.
        rotation: degrees clockwise to display it upright.
        time_base: ``(numerator, denominator)`` in seconds.
        start_pts: the container's pts of the first displayed frame.
        pts: shape (S,), int64, in decode order; 0 is the first displayed frame.
        size: size of each packet in bytes, shape (S,).
        listed: shape (S,), bool: the container's keyframe flags.
        keyframe: shape (S,), bool: the listed keyframes, except recovery points.
        complete: shape (S,), bool: the keyframes that decode on their own.
        shown: shape (S,), False for packets that an edit list drops or that have no time.
        refresh: shape (S,), True for listed keyframes that do not decode on their own; None if there are none.
        duration_s: seconds from the start of the first frame to the end of the last one.
        warnings: tolerated irregularities, as text.
        side_data: palettes and new headers that packets carry.

    Raises:
        ItemError: ``video_invalid``, ``video_no_stream``, ``video_no_frames``, ``video_codec_unsupported``.
    """

    name: Final = "ffmpeg"

    def __init__(self, source: RangeSource, *, max_pixels: int) -> None:
        self.warnings: list[str] = []
        self.refresh: npt.NDArray[np.bool_] | None = None
        self.side_data = SideDataEvents()
        self._source = BufferedSource(source, _BLOCK, _BLOCKS)
        self._max_pixels = max_pixels
        self._container = open_video(self._source, max_pixels=max_pixels)
        self._stream: Any = _best(self._container)
        context = self._stream.codec_context
        if context is None:
            raise item_error("video_codec_unsupported", "FFmpeg has no decoder for the video stream")
        self.parameters = stream_parameters(context)
        self.width: int = context.width
        self.height: int = context.height
        base = self._stream.time_base
        self.time_base = (base.numerator, base.denominator)
        self._index()
        # The packets from the container's position on, and the number of the next one, if known.
        self._stored: Iterator[Any] = iter(())
        self._next: int | None = None
        self._bad_seeks = 0
        self._distrusted = 0
        if (
            self._container.format.name in _WITHOUT_TIMES
            and self.parameters.reorder_depth
            and bool((np.diff(self.pts) > 0).all())
        ):
            self._order(self.parameters.reorder_depth)
        self.rotation = self._rotation() if self._container.format.name.startswith(_ROTATABLE) else 0

    def close(self) -> None:
        """Close the container."""
        self._container.close()

    def _packets(self) -> Iterator[Any]:
        """Yield packets from the container's position to its end; the last one is empty and flushes a decoder."""
        # PyAV 18.1 raises IndexError after the last packet if a stream started late, as in a transport stream with a
        # new PMT.
        with suppress(IndexError):
            yield from self._container.demux(self._stream)

    def _scan(self) -> _Index:
        """Demux the whole stream once."""
        index = _Index()
        codec, extradata = self.parameters.codec, self.parameters.extradata
        held: dict[str, bytes] = {}
        try:
            for packet in self._packets():
                if not packet.size:
                    continue
                number = len(index.size)
                for kind in SIDE_DATA:
                    if packet.has_sidedata(kind):
                        body = bytes(packet.get_sidedata(kind))
                        if held.get(kind) != body:
                            held[kind] = body
                            self.side_data.events.append((number, kind, body))
                ticks = packet.dts if packet.pts is None else packet.pts
                # Packets without a time are decoded, because frames may refer to them, but not displayed.
                index.untimed += ticks is None
                index.shown.append(ticks is not None and not packet.is_discard)
                index.ticks.append(ticks if ticks is not None else index.ticks[-1] if index.ticks else 0)
                index.dts.append(index.ticks[-1] if packet.dts is None else packet.dts)
                index.size.append(packet.size)
                index.duration.append(packet.duration or 0)
                index.crc.append(zlib.crc32(packet))
                key = packet.is_keyframe
                index.listed.append(key)
                headers = held.get("new_extradata", extradata)
                index.alone.append(key and decodes_alone(codec, headers, bytes(packet) if codec in NAL_CODECS else b""))
        except (av.error.FFmpegError, OSError) as error:
            self.warnings.append(f"the video ends early, after {len(index.size)} frames: {_words(error)}")
        return index

    def _index(self) -> None:
        index = self._scan()
        ticks, durations = np.array(index.ticks, np.int64), np.array(index.duration, np.int64)
        if index.untimed == len(index.size) and durations.all():
            # A raw stream: its frames are spaced at the rate that it declares, or FFmpeg's default of 25 per second.
            ticks = np.cumsum(durations) - durations
            index.shown = bytearray(b"\1" * len(ticks))
            self.warnings.append("the container has no times: frames are assumed to be evenly spaced")
        self._ticks = ticks  # for seeking
        if self._container.format.flags & _MAY_RESTART:
            tenth = round(self.time_base[1] / self.time_base[0] / 10)
            ticks = _continued(ticks, np.array(index.dts, np.int64), durations, tenth)
            if ticks is not self._ticks:
                self.warnings.append("times restart in mid-stream: each part begins at the end of the one before")
        shown = np.frombuffer(index.shown, np.bool_)
        self.shown: npt.NDArray[np.bool_] | None = shown
        if not shown.any():
            raise item_error(
                "video_no_frames", f"none of the {len(index.size)} packets in the video stream is displayed"
            )
        pts = ticks[shown]
        self.start_pts = int(pts.min())
        self.pts, self.size = ticks - self.start_pts, np.array(index.size, np.int64)
        self._identity = self.size << 32 | np.array(index.crc, np.int64)
        self._sorted = np.argsort(self._identity, kind="stable")
        self.listed = np.frombuffer(index.listed, np.bool_)
        self.keyframe = np.frombuffer(index.alone, np.bool_)
        self.complete = self.keyframe.copy()
        if (self.complete != self.listed).any():
            self.refresh = self.listed & ~self.complete
        if (np.maximum.accumulate(pts)[:-MAX_REORDER] > pts[MAX_REORDER:]).any():
            self.warnings.append("times run backwards in mid-stream: frames are chosen by their times")
        last = int(pts.argmax())
        step = int(np.median(np.diff(np.sort(pts)))) if len(pts) > 1 else 0
        end = int(pts[last]) + (int(durations[shown][last]) or step)
        self.duration_s: float = (end - self.start_pts) * self.time_base[0] / self.time_base[1]

    def distrust(self, samples: Sequence[int]) -> None:
        """Stop trusting these listed keyframes; the third time, trust only the first keyframe."""
        self._distrusted += 1
        if self._distrusted > _DISTRUSTED:
            self.complete[1:] = False
        self.complete[list(samples)] = False
        self.refresh = self.listed & ~self.complete

    def _order(self, depth: int) -> None:
        """Find the display order by decoding all packets, if a container with B-frames stores only the decode order."""
        uncertain = f"the container has no display times: frames may be off by up to {depth}"
        if len(self.pts) * self.width * self.height > _ORDER_PIXELS:
            self.warnings.append(uncertain)
            return
        context = open_context(self.parameters)
        context.options = {"skip_loop_filter": "all", "skip_idct": "all"}  # only the order matters
        shown: list[int] = []
        self._start(0)
        for number, packet in enumerate(self._stored):
            packet.pts = number
            with suppress(av.error.FFmpegError):
                shown += [frame.pts for frame in context.decode(packet if packet.size else None)]
        if sorted(shown) != list(range(len(self.pts))):
            self.warnings.append(uncertain)
            return
        display = np.empty_like(self.pts)
        display[shown] = np.sort(self.pts)
        self.pts = display

    def _rotation(self) -> int:
        """Return the rotation in degrees clockwise, from the display matrix that FFmpeg attaches to decoded frames."""
        for sample in [*np.flatnonzero(self.complete)[:_ROTATION_TRIES].tolist(), 0]:
            with suppress(ItemError, av.error.FFmpegError):
                # A new packet, because an edit list may discard the demuxer's keyframe and its frame.
                ((body,),) = self.fetch([range(sample, sample + 1)])
                packet: Any = av.Packet(len(body))
                packet.update(body)
                packet.is_keyframe = True
                context = self._stream.codec_context
                context.thread_type, context.thread_count = "NONE", 1
                context.flags |= _OUTPUT_CORRUPT
                context.flush_buffers()
                frames = context.decode(packet) or context.decode(None)
                if frames:
                    degrees: int = round(-frames[0].rotation / 90) * 90 % 360
                    return degrees
        return 0

    def fetch(self, runs: Sequence[range]) -> list[list[bytes]]:
        """Read the packets of consecutive samples.

        Raises:
            ItemError: ``decode_failed`` if the demuxer does not return a packet that it returned in the first pass.
        """
        return [self._fetch(run) for run in runs]

    def _fetch(self, run: range) -> list[bytes]:
        for place in (self._continue, self._seek, self._start):
            if not place(run.start):
                continue
            with suppress(av.error.FFmpegError, OSError):
                bodies = self._collect(run)
                if bodies is not None:
                    return bodies
            self._next = None
            self._bad_seeks += place == self._seek
        raise item_error("decode_failed", "FFmpeg cannot read packets that it listed earlier", sample=run.start)

    def _continue(self, sample: int) -> bool:
        """Continue from the container's position if it is known and the sample is near, or if seeking is useless."""
        if self._next is None or self._next > sample:
            return False
        return int(self.size[self._next : sample].sum()) <= _NEAR or self._bad_seeks > _BAD_SEEKS

    def _seek(self, sample: int) -> bool:
        if self._bad_seeks > _BAD_SEEKS:
            return False
        self._next = None
        try:
            # Seek by display time: FFmpeg's own index uses dts and would land one GOP early.
            self._container.seek(int(self._ticks[sample]), stream=self._stream, backward=True)
        except (av.error.FFmpegError, OSError, OverflowError):  # OverflowError: display times beyond 2**63
            self._bad_seeks += 1
            return False
        self._stored = self._packets()
        return True

    def _start(self, _: int) -> bool:
        """Return to the first packet by reopening the video: seeking to 0 may land after the first keyframe."""
        index = self._stream.index
        self._container.close()
        self._container = open_video(self._source, max_pixels=self._max_pixels)
        self._stream = self._container.streams[index]
        self._stored, self._next = self._packets(), 0
        return True

    def _collect(self, run: range) -> list[bytes] | None:
        """Return the packets of a run, identified by their bytes; None if the container does not return them next.

        Demuxers derive times from earlier packets, so times after a seek differ from those of the first pass (sparse
        Matroska, transport streams whose clock wraps or restarts). The bytes do not.
        """
        bodies: list[bytes] = []
        unknown = 0
        for packet in self._stored:
            if not packet.size:
                continue
            identity = packet.size << 32 | zlib.crc32(packet)
            if self._next is None:
                self._next = self._place(identity, run.start)
                unknown += 1
                if self._next is None and unknown > _UNKNOWN:
                    break
                if self._next is None:
                    continue
            if not self._next < run.stop or identity != self._identity[self._next]:
                break
            if self._next >= run.start:
                bodies.append(bytes(packet))
            self._next += 1
            if len(bodies) == len(run):
                return bodies
        return None

    def _place(self, identity: int, wanted: int) -> int | None:
        """Return the number of a packet after a seek: the wanted one if it matches; None if several match."""
        found = self._samples(identity)
        if wanted in found:
            return wanted
        # Beyond the wanted packet, the seek landed too late.
        return int(found[0]) if len(found) == 1 or (len(found) and found[0] > wanted) else None

    def _samples(self, identity: int) -> npt.NDArray[np.int64]:
        """Return the samples with these bytes, ascending."""
        begin = int(np.searchsorted(self._identity, identity, side="left", sorter=self._sorted))
        end = int(np.searchsorted(self._identity, identity, side="right", sorter=self._sorted))
        found: npt.NDArray[np.int64] = self._sorted[begin:end]
        return found


def _continued(
    ticks: npt.NDArray[np.int64], dts: npt.NDArray[np.int64], durations: npt.NDArray[np.int64], tenth: int
) -> npt.NDArray[np.int64]:
    """Return times that continue where the container's times restart, as in files joined byte by byte.

    FFmpeg's tools, too, take a dts that falls by more than ``tenth``, a tenth of a second, for a restart. A single
    packet with a wrong time is none.
    """
    moves = np.zeros_like(ticks)
    for start in (np.flatnonzero(dts[1:] < dts[:-1] - tenth) + 1).tolist():
        before = dts[max(start - _BEFORE, 0) : start].tolist()
        if dts[start : start + MAX_REORDER].max() < sorted(before)[len(before) // 2]:
            step = int(durations[start - 1]) or before[-1] - before[max(len(before) - 2, 0)]
            move = before[-1] + step - int(dts[start])
            moves[start] = min(move, _LARGEST_MOVE)
    return ticks + np.cumsum(moves) if moves.any() else ticks


def _best(container: InputContainer) -> Any:
    stream: Any = container.streams.best("video")
    if stream is None or stream.disposition & av.stream.Disposition.attached_pic:
        raise item_error("video_no_stream", "the container has no video stream (audio and cover images do not count)")
    return stream
