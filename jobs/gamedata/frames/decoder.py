"""Encoded packets -> pictures: one decoder per session, fed only with what is needed.

A keyframe is one packet and a flush (10 ms at 640x360; feeding on until a frame appears costs 3.6 times that, because
of the decoder's reorder delay). An exact frame is its keyframe and all packets up to its own in decode order, less the
ones nothing refers to. Both readers end here, so they give the same pictures.

One thread: with many files in flight, frame threads cost 15 to 20 % more CPU, and their log callback has deadlocked
with the GIL (PyAV #751, #2276).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from jobs.gamedata.errors import item_error
from jobs.gamedata.model import STATISTICS_SHAPE, PacketRuns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame

__all__ = ["DecodedFrame", "Decoder", "FrameConverter", "Packet", "decode_runs", "frame_size", "set_extradata"]

# Pictures are handed out although a reference is missing or damaged: they are marked corrupt and counted.
_OUTPUT_CORRUPT: Final = 1 << 3
# The same pixels on every CPU, at most half a step from the formula; swscale's fast path is up to 3 steps off.
_EXACT: Final = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT
_MAX_PIXELS: Final = 2**31 - 1
_PADDING: Final = bytes(64)  # AV_INPUT_BUFFER_PADDING_SIZE of FFmpeg's defs.h
# Others do not say, or not reliably, what refers to what: MPEG-4 Part 2 gave an earlier picture now and then.
_SKIPS: Final = ("h264", "hevc")


@dataclass(frozen=True, slots=True)
class Packet:
    """One encoded picture.

    Attributes:
        data: as the container holds it.
        pts: display time in ticks; names the picture among a run's.
        wanted: whether its picture is to be handed out; others are decoded only where something refers to them.
    """

    data: bytes | memoryview
    pts: int
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A frame that the decoder put out; pixels stay in FFmpeg's buffers until :class:`FrameConverter` asks for them."""

    pts: int
    frame: VideoFrame
    corrupt: bool


def set_extradata(context: Any, extradata: bytes) -> None:
    """Give a codec context its out-of-band headers, followed by the zeros that FFmpeg's parsers rely on.

    PyAV 18.1 reserves that padding and leaves in it what the heap held before.

    Args:
        context: of PyAV, not open yet.
        extradata: avcC, hvcC, a VOL header, …; empty where the packets carry them.
    """
    if extradata:
        context.extradata = extradata + _PADDING  # realloc() keeps its zeros when the next line shortens it
        context.extradata = extradata


class Decoder:
    """A bare codec context for one stream.

    Args:
        codec: FFmpeg's name, such as ``h264``.
        extradata: the codec's out-of-band headers (avcC, hvcC, …); empty where the packets carry them.
        max_pixels: larger frames are refused by the decoder before memory is taken.

    Attributes:
        decoded: frames that came out, wanted or not.

    Raises:
        ItemError: ``video_codec_unsupported``.
    """

    def __init__(self, codec: str, extradata: bytes, *, max_pixels: int = _MAX_PIXELS) -> None:
        self.codec = codec
        self.decoded = 0
        self._extradata = extradata
        self._max_pixels = max_pixels
        self._context: VideoCodecContext = self._create()

    def _create(self) -> VideoCodecContext:
        try:
            context: Any = av.CodecContext.create(self.codec, "r")
        except (ValueError, av.error.FFmpegError) as error:  # UnknownCodecError is a ValueError
            raise item_error(
                "video_codec_unsupported", f"FFmpeg has no decoder for '{self.codec}'", codec=self.codec
            ) from error
        if context.type != "video":
            raise item_error("video_codec_unsupported", f"'{self.codec}' is no video codec", codec=self.codec)
        set_extradata(context, self._extradata)
        context.thread_type = "NONE"
        context.thread_count = 1
        context.flags |= _OUTPUT_CORRUPT
        context.options = {"max_pixels": str(min(self._max_pixels, _MAX_PIXELS))}
        return context  # type: ignore[no-any-return]

    def decode(self, packets: Sequence[Packet]) -> Iterator[DecodedFrame]:
        """Decode one run: a keyframe and what follows it in decode order, up to the last wanted packet.

        Args:
            packets: in decode order, the first a keyframe.

        Yields:
            Wanted frames as they come out, which is display order.

        Raises:
            ItemError: ``decode_failed`` when a wanted picture does not come out, ``pixels_exceeded``.
        """
        wanted = {packet.pts for packet in packets if packet.wanted}
        fault: Exception | None = None
        damaged = False
        for packet in (*packets, None):
            try:
                frames = self._feed(packet)
            except (av.error.FFmpegError, MemoryError, ValueError) as error:
                self._check_limits(error)
                # What comes after may still be shown, as every player does; the pictures count as corrupt.
                fault, damaged = error, True
                continue
            for frame in frames:
                self.decoded += 1
                if frame.pts in wanted:
                    wanted.discard(frame.pts)
                    yield DecodedFrame(frame.pts, frame, damaged or bool(frame.is_corrupt))
        self._rewind()
        if wanted:
            raise item_error(
                "decode_failed",
                f"{len(wanted)} of the frames that were asked for do not decode, the first at tick {min(wanted)}"
                + (f": {fault}" if fault else " (the decoder gives no picture)"),
                pts=min(wanted),
            ) from fault

    def _check_limits(self, error: Exception) -> None:
        # Beyond max_pixels h264 says invalid data, hevc says no memory, vp9 says invalid argument and no size.
        pixels = self._context.coded_width * self._context.coded_height
        if pixels > self._max_pixels or isinstance(error, av.error.ArgumentError):
            raise item_error(
                "pixels_exceeded",
                f"the decoder refuses the frame's size; the limit is {self._max_pixels} pixels (--max-pixels)",
                max_pixels=self._max_pixels,
            ) from error
        if isinstance(error, MemoryError):
            raise error

    def _feed(self, packet: Packet | None) -> list[VideoFrame]:
        if packet is None:
            return self._context.decode(None)
        self._context.skip_frame = "DEFAULT" if packet.wanted or self.codec not in _SKIPS else "NONREF"
        # PyAV 18.1 lends FFmpeg the memory of av.Packet(data), without the zeros that must follow it: MPEG-4 Part 2
        # took what lay behind for a marker and gave a wrong picture without an error, in one process of three.
        encoded: Any = av.Packet(len(packet.data))
        if packet.data:
            encoded.update(packet.data)
        encoded.pts = encoded.dts = packet.pts
        encoded.time_base = Fraction(1, 90_000)  # unused by the decoder; PyAV wants one
        return self._context.decode(encoded)

    def _rewind(self) -> None:
        self._context.flush_buffers()


def frame_size(width: int, height: int, rotation: int, max_height: int) -> tuple[int, int]:
    """Size of a sampled frame.

    Args:
        width: as stored.
        height: as stored.
        rotation: degrees clockwise that show it upright.
        max_height: scale higher (upright) frames to this; 0 keeps the size.

    Returns:
        ``(height, width)``, upright; a scaled frame has an even width.
    """
    if rotation % 180:
        width, height = height, width
    if max_height and height > max_height:
        return max_height, max(2, 2 * round(width * max_height / height / 2))
    return height, width


class FrameConverter:
    """Turns decoded frames into arrays; keeps swscale's tables between frames.

    Args:
        rotation: degrees clockwise that show a stored frame upright (0, 90, 180, 270).
    """

    def __init__(self, rotation: int) -> None:
        self._turns = -(rotation // 90) % 4  # np.rot90 turns counterclockwise
        self._scalers: dict[str, VideoReformatter] = {}

    def rgb(self, frame: VideoFrame, height: int, width: int, out: npt.NDArray[np.uint8]) -> None:
        """Write upright RGB of ``height`` x ``width`` to ``out`` of shape (3, height, width)."""
        self._planes("rgb", frame, height, width, out)

    def luma(self, frame: VideoFrame, out: npt.NDArray[np.uint8]) -> None:
        """Write upright luma, 0 black and 255 white, to ``out`` of :data:`STATISTICS_SHAPE`."""
        high, wide = self._stored(*STATISTICS_SHAPE)
        scaled = self._scale("luma", frame, high, wide, "gray", dst_color_range=ColorRange.JPEG)
        out[:] = np.rot90(_plane(scaled.planes[0]), self._turns)

    def thumbnail(self, frame: VideoFrame, out: npt.NDArray[np.uint8]) -> None:
        """Write an upright RGB thumbnail to ``out`` of shape (90, 160, 3)."""
        self._planes("thumbnail", frame, *STATISTICS_SHAPE, out.transpose(2, 0, 1))

    def _planes(self, use: str, frame: VideoFrame, height: int, width: int, out: npt.NDArray[np.uint8]) -> None:
        # Planar: no transpose afterwards, and swscale's accurate path is half the price of rgb24's.
        scaled = self._scale(use, frame, *self._stored(height, width), "gbrp")
        for channel, plane in zip((1, 2, 0), scaled.planes, strict=True):
            out[channel] = np.rot90(_plane(plane), self._turns)

    def _stored(self, height: int, width: int) -> tuple[int, int]:
        return (width, height) if self._turns % 2 else (height, width)

    def _scale(self, use: str, frame: VideoFrame, height: int, width: int, pixels: str, **more: Any) -> VideoFrame:
        scaler = self._scalers.setdefault(use, VideoReformatter())
        full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith(("yuvj", "gbr", "rgb", "bgr"))
        return scaler.reformat(
            frame,
            width,
            height,
            pixels,
            interpolation=_EXACT,
            src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
            threads=1,  # 0, the default, starts one for each core
            **more,
        )


def _plane(plane: Any) -> npt.NDArray[np.uint8]:
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]


def decode_runs(packets: PacketRuns, height: int, width: int, rotation: int) -> npt.NDArray[np.uint8]:
    """Decode the frames that ``--frames packets`` keeps.

    Args:
        packets: of one session.
        height: rows of a sampled frame.
        width: its columns.
        rotation: degrees clockwise that show a stored frame upright.

    Returns:
        uint8 RGB, shape (D, 3, height, width); the same pixels as ``--frames rgb`` stores.

    Raises:
        ItemError: ``decode_failed``, ``video_codec_unsupported``.
    """
    images = np.empty((len(packets.first), 3, height, width), np.uint8)
    decoder, picture = Decoder(packets.codec, packets.extradata), FrameConverter(rotation)
    data = memoryview(packets.data)
    for start in np.unique(packets.first):
        rows = np.flatnonzero(packets.first == start)
        last = start + packets.count[rows] - 1
        of_pts = dict(zip(packets.pts[last].tolist(), rows.tolist(), strict=True))
        positions = range(int(start), int(last.max()) + 1)
        wanted = set(last.tolist())
        run = [
            Packet(data[packets.offsets[at] : packets.offsets[at + 1]], int(packets.pts[at]), at in wanted)
            for at in positions
        ]
        for decoded in decoder.decode(run):
            picture.rgb(decoded.frame, height, width, images[of_pts[decoded.pts]])
    return images
