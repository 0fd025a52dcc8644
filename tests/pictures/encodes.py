"""Make videos: encode the scene, copy its packets to another container, or run Debian's ffmpeg."""

from __future__ import annotations

import os
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import av
from av.video.reformatter import VideoReformatter

from tests.media import scheduling_restored
from tests.pictures.scene import draw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["FPS", "SIZE", "Absent", "copy_packets", "encode", "ffmpeg"]

FPS: Final = 12
SIZE: Final = (176, 144)  # the smallest size common to H.263 and H.261
_SECONDS: Final = 26


class Absent(Exception):
    """An encoder or muxer that this machine lacks."""


def encode(
    path: Path,
    codec: str = "libx264",
    *,
    seconds: float = _SECONDS,
    fps: int = FPS,
    gop: int = 40,
    b_frames: int = 2,
    size: tuple[int, int] = SIZE,
    pixels: str = "yuv420p",
    matrix: int = 6,
    color_range: int = 0,
    first: int = 0,
    times: Sequence[float] | None = None,
    container: str | None = None,
    options: Mapping[str, str] | None = None,
    mux: Mapping[str, str] | None = None,
) -> Path:
    """Encode the scene.

    Args:
        path: the output file.
        codec: FFmpeg's name of the encoder.
        seconds: length; ``times`` replaces it.
        fps: frames per second.
        gop: keyframe interval in frames.
        b_frames: consecutive B-frames of H.264, HEVC and MPEG-4; other encoders ignore it.
        size: stored (width, height).
        pixels: pixel format.
        matrix: tag of the matrix of YCbCr, as in ITU-T H.273; 6 is BT.601.
        color_range: tag of the range: 1 limited, 2 full, 0 none.
        first: scene number of the first frame.
        times: the display time of each frame in seconds.
        container: FFmpeg's name of the format; None chooses by the suffix.
        options: more options of the encoder.
        mux: options of the muxer.

    Raises:
        Absent: PyAV's FFmpeg lacks the encoder or muxer.
    """
    try:
        av.Codec(codec, "w")
        if container is not None:
            av.ContainerFormat(container, "w")
    except ValueError as error:
        raise Absent(str(error)) from error
    base = Fraction(1, fps) if times is None else Fraction(1, 12_000)
    count = round(seconds * fps) if times is None else len(times)
    settings = {"threads": "1"} | _defaults(codec, b_frames) | dict(options or {})
    with scheduling_restored(), av.open(str(path), "w", format=container, options=dict(mux or {})) as output:
        output.flags |= 0x0400  # AVFMT_FLAG_BITEXACT: the same bytes each time
        stream: Any = output.add_stream(codec, rate=fps, options=settings)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.gop_size = gop
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, color_range
        if times is not None:
            stream.time_base = stream.codec_context.time_base = base
        reformat = VideoReformatter().reformat  # frame.reformat() makes a context for each frame: 1 ms
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(draw(first + number, size), "yuv420p")
            if pixels != "yuv420p":
                frame = reformat(frame, format=pixels)
            frame.colorspace, frame.color_range = matrix, color_range
            frame.pts = number if times is None else round(times[number] / base)
            frame.time_base = base
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def _defaults(codec: str, b_frames: int) -> dict[str, str]:
    if codec == "libx264":
        return {"preset": "veryfast", "sc_threshold": "0", "bf": str(b_frames), "crf": "26"}
    if codec == "libx265":
        parameters = f"log-level=none:scenecut=0:bframes={b_frames}:pools=none:open-gop=0"
        return {"preset": "ultrafast", "x265-params": parameters, "crf": "30"}
    if codec == "mpeg4":
        return {"bf": str(b_frames), "q": "5"}
    if codec in ("libvpx", "libvpx-vp9"):
        return {"deadline": "realtime", "cpu-used": "8", "crf": "30", "b": "400k"}
    if codec == "libsvtav1":
        os.environ["SVT_LOG"] = "0"  # otherwise the encoder is verbose on standard error
        return {"preset": "12", "svtav1-params": "lp=1"}
    return {}


def copy_packets(
    sources: Path | Iterable[Path],
    path: Path,
    *,
    container: str | None = None,
    shift_s: float = 0,
    rotation: int = 0,
    mux: Mapping[str, str] | None = None,
    change: Callable[[float, bytes], bytes | None] | None = None,
    fps: int | None = None,
) -> Path:
    """Copy a video stream to another container without decoding it.

    Args:
        sources: the videos; the second begins where the first ends, without new headers.
        path: the output file.
        container: FFmpeg's name of the format; None chooses by the suffix.
        shift_s: added to all times.
        rotation: degrees counterclockwise by which a player rotates the picture.
        mux: options of the muxer.
        change: replaces the bytes of a packet, given its time in seconds from the first one; None drops the packet.
        fps: number the packets at this rate, for sources without times and without B-frames.
    """
    videos = [sources] if isinstance(sources, Path) else list(sources)
    written = 0
    begin: int | None = None
    with av.open(str(path), "w", format=container, options=dict(mux or {})) as output:
        output.flags |= 0x0400
        stream: Any = None
        for video in videos:
            with av.open(str(video)) as reader:
                source = reader.streams.video[0]
                if stream is None:
                    stream = output.add_stream_from_template(source, opaque=True)
                    if rotation:
                        stream.set_display_rotation(rotation)
                for packet in reader.demux(source):
                    if not packet.size:
                        continue
                    if fps is not None:
                        packet.time_base = Fraction(1, fps)
                        packet.pts = packet.dts = written
                        packet.duration = 1
                    assert packet.dts is not None
                    assert packet.time_base is not None
                    decoded = packet.dts
                    ticks = decoded if packet.pts is None else packet.pts
                    begin = ticks if begin is None else begin
                    if change is not None:
                        body = change(float((ticks - begin) * packet.time_base), bytes(packet))
                        if body is None:
                            continue
                        packet = _replaced(packet, body)  # noqa: PLW2901
                    shift = round(shift_s / packet.time_base)
                    packet.pts, packet.dts = ticks + shift, decoded + shift
                    packet.stream = stream
                    written += 1
                    output.mux(packet)
    return path


def _replaced(packet: Any, body: bytes) -> Any:
    other: Any = av.Packet(len(body))  # followed by the zeros that FFmpeg requires
    other.update(body)
    other.pts, other.dts, other.duration = packet.pts, packet.dts, packet.duration
    other.time_base, other.is_keyframe = packet.time_base, packet.is_keyframe
    return other


def ffmpeg(*arguments: str | Path, codec: str = "") -> None:
    """Run Debian's ffmpeg for what PyAV's FFmpeg lacks; ``codec`` is the required encoder.

    Raises:
        Absent: it is not installed, or lacks the encoder.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise Absent("ffmpeg is not installed")
    done = subprocess.run(
        [program, "-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-threads", "1", *map(str, arguments)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip()
        if codec and "Unknown encoder" in message:
            raise Absent(f"ffmpeg has no encoder {codec}")
        raise RuntimeError(f"ffmpeg failed: {message}")
