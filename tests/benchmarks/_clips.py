"""Sessions of real size: ten minutes at 60 fps, GOP 250, one TAR for each size of picture; encoded once per machine."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.media import inputs_csv, looped, make_tar, metadata_json

__all__ = ["CLIPS", "SECONDS", "Clip", "session"]

SECONDS = 600
FPS = 60
_AUDIO_RATE = 48_000
# No divisor of the asked times but 50: seams and cuts must not put a keyframe where one is asked.
LOOP_SECONDS = 50
_SCENE_SECONDS = 17
_EVENTS = 110  # a second: 2.8 MB, as in the recordings of September 2025
_CACHE = "telecine-bench-3"  # the number changes with what is drawn or how it is encoded


@dataclass(frozen=True, slots=True)
class Clip:
    """A size of picture and the bit rate that recorders give it."""

    name: str
    width: int
    height: int
    bit_rate: int


CLIPS = (
    Clip("360p", 640, 360, 2_500_000),
    Clip("720p", 1280, 720, 4_777_000),
    Clip("1080p", 1920, 1080, 12_000_000),
)


def session(clip: Clip, *, inputs: bool) -> Path:
    """Give the TAR of a clip, with or without its inputs.csv; kept under TMPDIR for the next run."""
    folder = Path(tempfile.gettempdir()) / _CACHE
    folder.mkdir(exist_ok=True)
    tar = folder / f"{clip.name}{'' if inputs else '-vision'}.tar"
    if not tar.exists():
        video = folder / f"{clip.name}.mp4"
        if not video.exists():
            _atomic(video, lambda path: _encode(path, clip))
        rows = {"inputs": inputs_csv(SECONDS, per_second=_EVENTS)} if inputs else {}
        _atomic(tar, lambda path: make_tar(path, video, metadata=metadata_json(duration=float(SECONDS)), **rows))
    return tar


def _atomic(path: Path, write: object) -> None:
    part = path.with_name(f"{os.getpid()}-{path.name}")
    try:
        write(part)  # type: ignore[operator]
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    total = np.zeros((height, width), np.float32)
    for octave in (4, 16, 64):
        side = 128 // octave
        noise = rng.random((height // side + 2, width // side + 2), np.float32)
        total += noise.repeat(side, 0).repeat(side, 1)[:height, :width] * (64 / octave)
    return (total / total.max() * 219 + 16).astype(np.uint8)


def _encode(path: Path, clip: Clip) -> None:
    """Encode 50 s as recorders do (x264 at a constant rate with 2 B-frames, AAC), looped by stream copy."""
    width, height = clip.width, clip.height
    rng = np.random.default_rng(1)
    once = path.with_suffix(".once.mp4")
    rate = str(clip.bit_rate)
    options = {"preset": "veryfast", "g": "250", "bf": "2", "nal-hrd": "cbr", "maxrate": rate, "bufsize": rate}
    with av.open(str(once), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = stream.codec_context.bit_rate = clip.bit_rate
        sound = container.add_stream("aac", rate=_AUDIO_RATE)
        sound.bit_rate = sound.codec_context.bit_rate = 160_000
        sound.codec_context.layout = "stereo"
        for number in range(LOOP_SECONDS * FPS):
            if number % (_SCENE_SECONDS * FPS) == 0:
                luma, blue, red = (_texture(rng, 2 * height, 2 * width) for _ in range(3))
            # To and fro: a jump would be a scene cut, and each cut a cheap keyframe.
            x, y = abs(number * 2 % (2 * width) - width), abs(number % (2 * height) - height)
            crop = slice(y, y + height), slice(x, x + width)
            half = slice(y // 2, y // 2 + height // 2), slice(x // 2, x // 2 + width // 2)
            planes = np.concatenate([luma[crop].ravel(), blue[half].ravel(), red[half].ravel()])
            frame = av.VideoFrame.from_ndarray(planes.reshape(height * 3 // 2, width), "yuv420p")
            container.mux(stream.encode(frame))
            container.mux(sound.encode(_noise(rng, number)))
        container.mux(stream.encode(None))
        container.mux(sound.encode(None))
    try:
        looped(once, path, SECONDS)
    finally:
        once.unlink()


def _noise(rng: np.random.Generator, number: int) -> av.AudioFrame:
    count = _AUDIO_RATE // FPS
    frame = av.AudioFrame.from_ndarray(rng.normal(0, 0.1, (2, count)).astype(np.float32), "fltp", "stereo")
    frame.sample_rate, frame.pts, frame.time_base = _AUDIO_RATE, number * count, Fraction(1, _AUDIO_RATE)
    return frame
