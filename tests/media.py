"""Tiny videos with numbered frames, and TARs of them, encoded on the spot with the same bytes each time.

``cached_clip(...)`` encodes once per test process; ``numbered_clip(path, ...)`` writes to the given path. Both accept
the same options. ``read_number(frame)`` reads a frame's number back, even after scaling.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from tests.tars import INPUTS, METADATA, inputs_csv, make_tar, metadata_json, tar_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "INPUTS",
    "METADATA",
    "cached_clip",
    "inputs_csv",
    "keyframe_numbers",
    "looped",
    "make_tar",
    "metadata_json",
    "numbered_clip",
    "picture",
    "read_number",
    "scheduling_restored",
    "tar_bytes",
]

BITS = 16  # a 4 x 4 field of blocks, most significant bit first, row by row: white is 1


def picture(number: int, size: tuple[int, int] = (160, 90)) -> np.ndarray:
    """Draw a number as 16 black or white blocks: uint8, shape (height, width)."""
    width, height = size
    bits = np.array([(number >> (BITS - 1 - bit)) & 1 for bit in range(BITS)], np.uint8).reshape(4, 4) * 255
    return np.ascontiguousarray(bits[np.arange(height) * 4 // height][:, np.arange(width) * 4 // width])


def read_number(frame: np.ndarray) -> int:
    """Read the number of a frame of shape (3, H, W), (H, W, 3) or (H, W); ValueError for a grey block."""
    grey = np.asarray(frame, np.float64)
    if grey.ndim == 3:
        grey = grey.mean(axis=0 if grey.shape[0] == 3 else 2)
    height, width = grey.shape
    rows = [slice(int((i + 0.3) * height / 4), int((i + 0.7) * height / 4) + 1) for i in range(4)]
    columns = [slice(int((i + 0.3) * width / 4), int((i + 0.7) * width / 4) + 1) for i in range(4)]
    number = 0
    for row in rows:
        for column in columns:
            level = grey[row, column].mean()
            if 80 < level < 175:
                raise ValueError(
                    f"a block has the mean {level:.0f}, neither black nor white: not a numbered frame, or a blend"
                )
            number = number * 2 + int(level > 128)
    return number


def numbered_clip(  # noqa: C901  one function for every container option
    path: str | Path,
    *,
    seconds: float = 600,
    fps: int = 10,
    gop: int = 40,
    size: tuple[int, int] = (160, 90),
    b_frames: int = 2,
    container: str | None = None,
    faststart: bool = False,
    fragmented: bool = False,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    audio: bool = False,
    rotation: int = 0,
    full_range: bool = False,
    times: Sequence[float] | None = None,
    keyframes: Sequence[int] | None = None,
    first: int = 0,
    options: Mapping[str, str] | None = None,
    mux_options: Mapping[str, str] | None = None,
) -> Path:
    """Encode a clip whose frame ``i`` shows the number ``first + i``.

    Args:
        path: the output file.
        seconds: length; ``seconds * fps`` is the number of frames.
        fps: frames per second (constant, unless ``times`` is set).
        gop: keyframe interval; there are no other keyframes (no scene cuts).
        size: stored (width, height).
        b_frames: consecutive B-frames (0: decode order is display order).
        container: FFmpeg format name; None chooses by the suffix.
        faststart: put the moov first.
        fragmented: write moof fragments, one per keyframe.
        codec: FFmpeg encoder (libx264, libx265, mpeg4, libvpx-vp9, …).
        pix_fmt: yuv420p, yuv444p, yuv420p10le, …
        audio: add a silent AAC track.
        rotation: degrees counterclockwise that a player rotates the stored picture (MP4 only). It is stored so that it
            is upright after rotation.
        full_range: use luma 0 to 255, and mark it so.
        times: display time of each frame in seconds, for VFR; its length replaces ``seconds``.
        keyframes: force keyframes at these frames (use a large ``gop``).
        first: number of the first frame.
        options: more encoder options.
        mux_options: more muxer options.
    """
    path = Path(path)
    base = Fraction(1, 12800) if times is not None else Fraction(1, fps)
    count = len(times) if times is not None else round(seconds * fps)
    flags = "+".join(["faststart"] * faststart + ["frag_keyframe", "empty_moov", "default_base_moof"] * fragmented)
    forced = set(keyframes or ())
    mux = {**({"movflags": flags} if flags else {}), **(mux_options or {})}
    with scheduling_restored(), av.open(str(path), "w", format=container, options=mux) as output:
        defaults = {"threads": "1", "sc_threshold": "0", "bf": str(b_frames), "flags": "+bitexact"}
        if codec == "libx264":
            defaults |= {"preset": "ultrafast", "forced-idr": "1", "crf": "28"}
        elif codec == "libx265":
            defaults |= {
                "preset": "ultrafast",
                "x265-params": f"log-level=none:scenecut=0:bframes={b_frames}:pools=none",
            }
        output.flags |= 0x0400  # AVFMT_FLAG_BITEXACT: no muxer version or random identifiers
        stream = output.add_stream(codec, rate=fps, options={**defaults, **(options or {})})
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.codec_context.gop_size = gop
        stream.time_base = stream.codec_context.time_base = base
        if full_range:
            stream.codec_context.color_range = 2
        if rotation:
            stream.set_display_rotation(rotation)
        sound = output.add_stream("aac", rate=48000, options={"threads": "1", "b": "32k"}) if audio else None
        if sound is not None:
            sound.codec_context.layout = "stereo"
        sounded = 0
        # With one context for all frames; frame.reformat() makes one for each, which takes 1 ms.
        reformat = VideoReformatter().reformat
        for number in range(count):
            rotated = size if rotation % 180 == 0 else size[::-1]
            # A player rotates counterclockwise by `rotation`, so store it rotated the other way.
            grey = np.rot90(picture(first + number, rotated), -(rotation // 90))
            frame = av.VideoFrame.from_ndarray(np.repeat(grey[..., None], 3, axis=2), format="rgb24")
            frame = reformat(
                frame, format=pix_fmt, dst_colorspace="ITU601", **({"dst_color_range": 2} if full_range else {})
            )
            frame.pts = round(times[number] / base) if times is not None else number
            frame.time_base = base
            if number in forced:
                frame.pict_type = av.video.frame.PictureType.I
            if sound is not None:
                until = round(float(frame.pts * base) * 48000)
                while sounded < until:
                    output.mux(sound.encode(_silence(sounded)))
                    sounded += 1024
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
        if sound is not None:
            output.mux(sound.encode())
    return path


@contextmanager
def scheduling_restored() -> Iterator[None]:
    """Restore the scheduling policy, which SVT-AV1 changes to real-time if run as root.

    The policy would stay with the thread and every process it starts. Two real-time processes with threads that wait
    for each other never end on two cores: a `helm template` hung this way.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, parameters)


def _silence(start: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
    frame.sample_rate = 48000
    frame.pts = start
    frame.time_base = Fraction(1, 48000)
    return frame


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="telecine-media-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _cached(document: str) -> Path:
    settings = json.loads(document)
    name = f"{len(list(_folder().iterdir()))}.{settings.pop('suffix')}"
    return numbered_clip(_folder() / name, **settings)


def cached_clip(*, suffix: str = "mp4", **settings: Any) -> Path:
    """Encode a :func:`numbered_clip` once per process for these settings; do not change the file."""
    return _cached(json.dumps({"suffix": suffix, **settings}, sort_keys=True))


def keyframe_numbers(path: str | Path) -> list[int]:
    """Return the numbers of the keyframes of a :func:`numbered_clip`, decoded by FFmpeg."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONKEY"
        stream.thread_type = "NONE"
        return [read_number(frame.to_ndarray(format="rgb24")) for frame in container.decode(stream)]


def looped(source: str | Path, path: str | Path, seconds: float) -> Path:
    """Repeat a video's default streams, without decoding, until the result has at least the given length.

    Args:
        source: the video.
        path: the output file; its suffix chooses the container.
        seconds: minimum length.
    """
    path = Path(path)
    with av.open(str(path), "w") as output:
        shift = 0.0
        streams: dict[int, Any] = {}
        while shift < seconds:
            with av.open(str(source)) as container:
                wanted = [container.streams.best(kind) for kind in ("video", "audio")]
                chosen = [stream for stream in wanted if stream is not None]
                for stream in chosen:
                    if stream.index not in streams:
                        streams[stream.index] = output.add_stream_from_template(stream)
                end = first = 0.0
                for packet in container.demux(chosen):
                    if packet.dts is None or packet.pts is None:
                        continue
                    base = packet.time_base
                    first = min(first, float(packet.dts * base))
                    end = max(end, float((packet.pts + (packet.duration or 0)) * base))
                    ticks = round(shift / base)
                    packet.pts += ticks
                    packet.dts += ticks
                    packet.stream = streams[packet.stream_index]
                    output.mux(packet)
            shift += end - first
    return path
