"""Encode a scene with PyAV: one thread and no timestamps in the file, so that equal pictures produce equal bytes."""

from __future__ import annotations

import functools
import io
import threading
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np
from av.packet import Packet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobs.gamedata.sample.scenes import Scene

__all__ = ["Encoding", "encode"]

_BITEXACT: Final = 0x0400  # AVFMT_FLAG_BITEXACT: no muxer version or random identifiers
_RATE: Final = 48000
_SAMPLES: Final = 1024  # samples per AAC frame
# Ticks per second. Frames at 10, 12, 15 and 60 fps, and the steps of variable frame rates, fall on whole ticks.
_CLOCK: Final = 15360
_SOUND_LOCK: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Encoding:
    """The encoding settings of a video.

    Attributes:
        size: stored (width, height), both even.
        fps: nominal frames per second.
        gop: keyframe interval in frames.
        b_frames: consecutive B-frames.
        preset: libx264 preset.
        quality: libx264 CRF; higher is smaller.
        audio: add an AAC track.
        container: FFmpeg format name.
        rotation: degrees counterclockwise that a player rotates the picture.
    """

    size: tuple[int, int] = (640, 360)
    fps: int = 12
    gop: int = 50
    b_frames: int = 2
    preset: str = "ultrafast"
    quality: int = 30
    audio: bool = True
    container: str = "mp4"
    rotation: int = 0


def encode(scene: Scene, times: Sequence[float], encoding: Encoding) -> bytes:
    """Encode a scene at the given display times.

    Args:
        scene: the scene; it draws pictures of ``encoding.size``.
        times: display time of each frame in seconds, ascending, starting at 0.
        encoding: the settings.

    Returns:
        The file's bytes. An MP4 has its moov at the end, like the recorder's files.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=encoding.container) as output:
        output.flags |= _BITEXACT
        stream = output.add_stream(
            "libx264",
            rate=encoding.fps,
            options={
                "threads": "1",
                "preset": encoding.preset,
                "crf": str(encoding.quality),
                "bf": str(encoding.b_frames),
                "flags": "+bitexact",
            },
        )
        stream.width, stream.height = encoding.size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = encoding.gop
        stream.codec_context.color_range = 1  # limited
        stream.time_base = stream.codec_context.time_base = Fraction(1, _CLOCK)
        if encoding.rotation:
            stream.set_display_rotation(encoding.rotation)
        sound = _add_sound(output, times[-1]) if encoding.audio else iter(())
        waiting = next(sound, None)
        for time_s in times:
            frame = av.VideoFrame.from_ndarray(scene(time_s).packed(), format="yuv420p")
            frame.pts = round(time_s * _CLOCK)
            frame.time_base = Fraction(1, _CLOCK)
            while waiting is not None and waiting.pts is not None and waiting.pts <= time_s * _RATE:
                output.mux(waiting)
                waiting = next(sound, None)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
        while waiting is not None:
            output.mux(waiting)
            waiting = next(sound, None)
    return file.getvalue()


def _add_sound(output: Any, until_s: float) -> Iterator[Packet[Any]]:
    """Add a sound track to a container and yield its packets, which are copies: AAC is encoded once for all clips."""
    template, packets = _sound(int(until_s) // 60 * 60 + 60)
    with av.open(io.BytesIO(template), "r") as container:
        stream = output.add_stream_from_template(container.streams.audio[0])
    for number, data in enumerate(packets):
        if number * _SAMPLES > until_s * _RATE:
            return
        packet = Packet(data)
        packet.stream = stream
        packet.time_base = Fraction(1, _RATE)
        packet.pts = packet.dts = number * _SAMPLES
        packet.duration = _SAMPLES
        packet.is_keyframe = True
        yield packet


def _sound(seconds: int) -> tuple[bytes, tuple[bytes, ...]]:
    """Return a quiet arpeggio: an M4A file and its packets."""
    with _SOUND_LOCK:  # a second thread waits for the first one's result
        return _encoded_sound(seconds)


@functools.lru_cache(maxsize=2)
def _encoded_sound(seconds: int) -> tuple[bytes, tuple[bytes, ...]]:
    file = io.BytesIO()
    with av.open(file, "w", format="ipod") as output:
        output.flags |= _BITEXACT
        stream = output.add_stream("aac", rate=_RATE, options={"b": "48k", "aac_coder": "fast", "flags": "+bitexact"})
        stream.codec_context.layout = "mono"
        for start in range(0, seconds * _RATE, _SAMPLES):
            moment = (start + np.arange(_SAMPLES)) / _RATE
            pitch = 220.0 * 2.0 ** ((np.floor(moment * 4) * 7 % 12) / 12)
            wave = 0.1 * np.sin(2 * np.pi * pitch * moment) * np.exp(-3 * (moment * 4 % 1))
            frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = _RATE, start, Fraction(1, _RATE)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    data = file.getvalue()
    with av.open(io.BytesIO(data), "r") as container:
        return data, tuple(bytes(packet) for packet in container.demux(audio=0) if packet.size)
