"""gamedata: one 10-minute session, 640x360 at 60 fps, GOP 250, in each sampling mode, against the alternatives.

Baselines, all of them PyAV of the same version with one thread, over the same TAR:

* full decode: the member opened in place, every frame decoded;
* exact seek: a seek and a decode to the asked time for each of the 29 distinct times, to RGB, as a careful script does;
* whole TAR: the TAR read into memory and the member written to a file, as the original did, then exact seek.

The physical limit is the decode of the keyframes that the plan needs, nothing else.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np

from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.mp4 import read_index
from jobs.gamedata.session import extract_session
from jobs.gamedata.source import FileSource, Slice
from jobs.gamedata.tar import pick, read_members
from tests.benchmarks._table import measure, show
from tests.media import inputs_csv, make_tar, metadata_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SECONDS = 600
LOOP_SECONDS = 50  # no divisor of the asked times but 50: seams and cuts must not put a keyframe where one is asked
TIMES = sorted({(i + 1) * stride for stride, count in SamplingSpec().strides for i in range(count)})


class _Counting(FileSource):
    """A file that counts what is read of it."""

    bytes_read = 0

    def read(self, offset: int, length: int) -> bytes:
        data = super().read(offset, length)
        self.bytes_read += len(data)
        return data


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    total = np.zeros((height, width), np.float32)
    for octave in (4, 16, 64):
        noise = rng.random((height // (128 // octave) + 2, width // (128 // octave) + 2), np.float32)
        big = noise.repeat(128 // octave, 0).repeat(128 // octave, 1)[:height, :width]
        total += big * (64 / octave)
    return (total / total.max() * 255).astype(np.uint8)


def _encode(path: Path) -> None:
    """A scrolling texture with a scene cut each 17 s, x264 at 2.5 Mbit/s CBR, 2 B-frames, looped by stream copy."""
    width, height, fps = 640, 360, 60
    rng = np.random.default_rng(1)
    once = path.with_suffix(".once.mp4")
    with av.open(str(once), "w") as container:
        options = {"preset": "veryfast", "g": "250", "bf": "2", "sc_threshold": "40", "nal-hrd": "cbr"}
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = stream.codec_context.bit_rate = 2_500_000
        for number in range(LOOP_SECONDS * fps):
            if number % (17 * fps) == 0:
                scene = np.stack([_texture(rng, height * 2, width * 2) for _ in range(3)], -1)
            # To and fro: a jump would be a scene cut, and each cut a cheap keyframe.
            x, y = abs(number * 2 % (2 * width) - width), abs(number % (2 * height) - height)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(scene[y : y + height, x : x + width]), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(path), "w") as target:
        out, shift = None, 0
        for _ in range(SECONDS // LOOP_SECONDS):
            with av.open(str(once)) as source:
                track = source.streams.video[0]
                out = out or target.add_stream_from_template(track)
                for packet in source.demux(track):
                    if packet.dts is None:
                        continue
                    packet.pts += shift
                    packet.dts += shift
                    packet.stream = out
                    target.mux(packet)
                shift += track.duration
    once.unlink()


def _member(path: Path) -> tuple[int, int]:
    with tarfile.open(path, "r:") as tar:
        info = next(member for member in tar if member.name.endswith(".mp4"))
        return info.offset_data, info.size


def _exact(container: av.container.InputContainer, times: Iterable[float]) -> int:
    stream = container.streams.video[0]
    stream.thread_type = "NONE"
    frames = 0
    for time in times:
        container.seek(int(time / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            if frame.time is not None and frame.time >= time - 1e-3:
                frame.to_ndarray(format="rgb24")
                frames += 1
                break
    return frames


def _ways(tar: Path) -> dict[str, Callable[[], float | None]]:
    offset, size = _member(tar)

    def in_place() -> av.container.InputContainer:
        return av.open(f"subfile,,start,{offset},end,{offset + size},,:{tar}")

    def full() -> float:
        with in_place() as container:
            container.streams.video[0].thread_type = "NONE"
            for _ in container.decode(video=0):
                pass
        return size / 1e6

    def seek() -> None:
        with in_place() as container:
            _exact(container, TIMES)

    def whole() -> float:
        data = tar.read_bytes()
        with (
            tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive,
            tempfile.NamedTemporaryFile(suffix=".mp4") as file,
        ):
            member = archive.extractfile("recording.mp4")
            assert member is not None
            file.write(member.read())
            file.flush()
            with av.open(file.name) as container:
                _exact(container, TIMES)
        return len(data) / 1e6

    def ours(spec: SamplingSpec) -> Callable[[], float]:
        def run() -> float:
            source = _Counting(tar)
            extract_session(source, spec)
            return source.bytes_read / 1e6

        return run

    def limit() -> float:
        source = _Counting(tar)
        video = pick(read_members(source)).video
        track = read_index(Slice(source, video.offset, video.size))
        keys = np.flatnonzero(track.keyframe)
        seconds = track.pts[keys] * track.time_base[0] / track.time_base[1]
        rows = sorted({int(keys[np.abs(seconds - time).argmin()]) for time in TIMES})
        codec = av.CodecContext.create(track.codec, "r")
        codec.extradata = track.extradata
        codec.thread_type = "NONE"
        for row in rows:
            packet = av.Packet(source.read(video.offset + int(track.offset[row]), int(track.size[row])))
            codec.decode(packet)
            codec.decode(None)
            codec.flush_buffers()
        return source.bytes_read / 1e6

    return {
        "full decode (PyAV)": full,
        "whole TAR + exact seek (PyAV)": whole,
        "exact seek (PyAV)": seek,
        "telecine --sampling exact": ours(SamplingSpec(mode="exact")),
        "telecine (default)": ours(SamplingSpec()),
        "telecine --sampling keyframe": ours(SamplingSpec(mode="keyframe")),
        "telecine keyframe, packets": ours(SamplingSpec(mode="keyframe", frames="packets")),
        "limit: decode of the keyframes only": limit,
    }


def main() -> None:
    """Encode the session once and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        video, tar = Path(folder) / "recording.mp4", Path(folder) / "session.tar"
        _encode(video)
        make_tar(tar, video, metadata=metadata_json(duration=float(SECONDS)), inputs=inputs_csv(SECONDS))
        rows = measure(_ways(tar))
        show(
            f"one session: {SECONDS} s of 640x360 at 60 fps, GOP 250, {tar.stat().st_size / 1e6:.0f} MB",
            rows,
            "full decode (PyAV)",
        )
