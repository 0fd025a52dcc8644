"""The reader for all videos except plain MP4s: FFmpeg's default stream, its packets and times (AVI has none).

A first pass demuxes without decoding and builds the same index that an MP4 contains. Both readers share planning and
decoding, so they return the same frames.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np

from jobs.gamedata.errors import item_error
from jobs.gamedata.frames.decoder import set_extradata
from jobs.gamedata.ranges.source import BufferedSource, SourceIO

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import NoReturn

    import numpy.typing as npt
    from av.container import InputContainer

    from jobs.gamedata.frames.plan import DecodeSpan
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


class FFmpegReader:
    """Read the index and packets of FFmpeg's default video stream.

    Args:
        source: the video's bytes.
        max_pixels: larger frames are rejected.

    Attributes:
        codec: the decoder's name.
        extradata: the codec's headers.
        width: stored width in pixels.
        height: stored height in pixels.
        rotation: degrees clockwise to display it upright.
        time_base: ``(numerator, denominator)`` in seconds.
        start_pts: the container's pts of the first displayed frame.
        pts: shape (S,), int64, in decode order; 0 is the first displayed frame.
        size: size of each packet in bytes, shape (S,).
        keyframe: shape (S,), bool.
        shown: shape (S,), False for packets that an edit list drops.
        refresh: shape (S,), True for listed keyframes that do not decode on their own; None if there are none.
        duration_s: seconds from the start of the first frame to the end of the last one.
        warnings: tolerated irregularities, as text.

    Raises:
        ItemError: ``video_invalid``, ``video_no_stream``, ``video_no_frames``, ``video_codec_unsupported``.
    """

    name: Final = "ffmpeg"

    def __init__(self, source: RangeSource, *, max_pixels: int) -> None:
        self.warnings: list[str] = []
        self.refresh: npt.NDArray[np.bool_] | None = None
        self._container = open_video(BufferedSource(source, _BLOCK, _BLOCKS), max_pixels=max_pixels)
        self._stream: Any = _best(self._container)
        context = self._stream.codec_context
        if context is None:
            raise item_error("video_codec_unsupported", "FFmpeg has no decoder for the video stream")
        self.codec: str = context.codec.name
        self.extradata: bytes = context.extradata or b""
        self.width: int = context.width
        self.height: int = context.height
        base = self._stream.time_base
        self.time_base = (base.numerator, base.denominator)
        self._index()
        if (
            self._container.format.name in _WITHOUT_TIMES
            and context.reorder_depth
            and bool((np.diff(self.pts) > 0).all())
        ):
            self._order(context.reorder_depth)
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

    def _index(self) -> None:
        rows: list[tuple[int, int, int, bool, bool, int]] = []
        try:
            for packet in self._packets():
                ticks = packet.dts if packet.pts is None else packet.pts
                if packet.size and ticks is not None:
                    dts = ticks if packet.dts is None else packet.dts
                    keyframe, visible = packet.is_keyframe, not packet.is_discard
                    rows.append((ticks, dts, packet.size, keyframe, visible, packet.duration or 0))
        except (av.error.FFmpegError, OSError) as error:
            self.warnings.append(f"the video ends early, after {len(rows)} frames: {_words(error)}")
        table = np.array(rows, dtype=np.int64).reshape(-1, 6)
        shown = table[:, 4].astype(np.bool_)
        self.shown: npt.NDArray[np.bool_] | None = shown
        if not shown.any():
            raise item_error("video_no_frames", f"none of the {len(rows)} packets in the video stream is displayed")
        pts, durations = table[shown, 0], table[shown, 5]
        self.start_pts = int(pts.min())
        self.pts, self._dts, self.size = table[:, 0] - self.start_pts, table[:, 1], table[:, 2]
        self._demuxed_pts = self.pts  # kept to find a packet again, because _order replaces self.pts
        self.keyframe = table[:, 3].astype(np.bool_)
        last = int(pts.argmax())
        step = int(np.median(np.diff(np.sort(pts)))) if len(pts) > 1 else 0
        end = int(pts[last]) + (int(durations[last]) or step)
        self.duration_s: float = (end - self.start_pts) * self.time_base[0] / self.time_base[1]

    def _order(self, depth: int) -> None:
        """Find the display order by decoding all packets, if a container with B-frames stores only the decode order."""
        if len(self.pts) * self.width * self.height > _ORDER_PIXELS:
            self.warnings.append(f"the container has no display times: frames may be off by up to {depth}")
            return
        context: Any = av.CodecContext.create(self.codec, "r")
        set_extradata(context, self.extradata)
        context.thread_type, context.thread_count = "NONE", 1
        context.options = {"skip_loop_filter": "all", "skip_idct": "all"}  # only the order matters
        shown: list[int] = []
        self._rewind(0)
        for packet in self._packets():
            packet.pts = packet.dts if packet.pts is None else packet.pts
            with suppress(av.error.FFmpegError):
                shown += [frame.pts - self.start_pts for frame in context.decode(packet if packet.size else None)]
        sample_at = {int(ticks): sample for sample, ticks in enumerate(self.pts)}
        if len(shown) != len(sample_at) or set(shown) != set(sample_at):
            self.warnings.append(f"the container has no display times: frames may be off by up to {depth}")
            return
        self._demuxed_pts = self.pts
        display = np.empty_like(self.pts)
        display[[sample_at[ticks] for ticks in shown]] = np.sort(self.pts)
        self.pts = display

    def _rotation(self) -> int:
        """Return the rotation in degrees clockwise, from the display matrix that FFmpeg attaches to a decoded frame."""
        context = self._stream.codec_context
        context.thread_type, context.thread_count = "NONE", 1
        try:
            self._seek(int(np.flatnonzero(self.keyframe)[0]) if self.keyframe.any() else 0)
            for packet in self._packets():
                frames = context.decode(packet if packet.size else None)
                if frames or not packet.size:
                    return round(-frames[0].rotation / 90) * 90 % 360 if frames else 0
        except (av.error.FFmpegError, OSError, EOFError, OverflowError):
            pass  # decoding the sampled frames reports the error
        return 0

    def _seek(self, sample: int) -> None:
        # Seek by display time: FFmpeg's own index uses dts and would land one GOP early.
        target = int(self._demuxed_pts[sample]) + self.start_pts
        self._container.seek(target, stream=self._stream, backward=True)

    def fetch(self, spans: Sequence[DecodeSpan]) -> list[list[bytes]]:
        """Read the packets of each span.

        Raises:
            ItemError: ``decode_failed`` if the demuxer does not return a packet that it returned in the first pass.
        """
        return [self._fetch(span) for span in spans]

    def _fetch(self, span: DecodeSpan) -> list[bytes]:
        wanted = range(span.first, span.last + 1)
        for seek in (self._seek, self._rewind):  # a second try, because some demuxers seek to after the keyframe
            try:
                seek(span.first)
                bodies = self._collect(wanted)
            except (
                av.error.FFmpegError,
                OSError,
                EOFError,
                OverflowError,
            ):  # OverflowError: display times beyond 2**63
                continue
            if len(bodies) == len(wanted):
                return [bodies[sample] for sample in wanted]
        raise item_error("decode_failed", "FFmpeg cannot read packets that it listed before", sample=span.first)

    def _rewind(self, _: int) -> None:
        self._container.seek(0, backward=True, any_frame=True)

    def _collect(self, wanted: range) -> dict[int, bytes]:
        samples = {
            (int(self._dts[sample]), int(self._demuxed_pts[sample]) + self.start_pts, int(self.size[sample])): sample
            for sample in wanted
        }
        beyond = int(self._dts[wanted[-1]])
        bodies: dict[int, bytes] = {}
        for packet in self._packets():
            ticks = packet.dts if packet.pts is None else packet.pts
            if not packet.size or ticks is None:
                continue
            dts = ticks if packet.dts is None else packet.dts
            sample = samples.get((dts, ticks, packet.size))
            if sample is not None:
                bodies[sample] = bytes(packet)
            if len(bodies) == len(wanted) or dts > beyond:
                break
        return bodies


def _best(container: InputContainer) -> Any:
    stream: Any = container.streams.best("video")
    if stream is None or stream.disposition & av.stream.Disposition.attached_pic:
        raise item_error("video_no_stream", "the container has no video stream (audio and cover images do not count)")
    return stream
