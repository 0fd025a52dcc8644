"""The reference: a child process decodes a whole video in order, without seeking, skipping or threads.

It uses the same FFmpeg as the product but none of its readers. ``python -m tests.pictures.reference`` is the
child: one JSON request per line, one JSON reply per line, arrays in files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    import numpy.typing as npt

__all__ = ["Pictures", "Reference", "SequentialDecode"]

_OUTPUT_CORRUPT: Final = 1 << 3  # AV_CODEC_FLAG_OUTPUT_CORRUPT, which players set
_ROOT: Final = Path(__file__).parents[2]
_LIMIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class SequentialDecode:
    """The result of a full decode; times are ticks from the first displayed packet.

    Attributes:
        time_base: seconds per tick.
        start: the container's pts of tick 0.
        size: stored (width, height) of the first frame.
        sizes: stored sizes of all frames.
        rotation: degrees clockwise that make the first frame upright.
        packets: times of the displayed packets, ascending.
        keyframes: times of the displayed packets that the demuxer marks as keyframes, ascending.
        pts: time of each frame, in the order in which the decoder returned them.
        corrupt: True where the decoder marks a frame as damaged.
        intra: True for frames of one I-picture.
        faults: number of packets that the decoder rejected.
        end: the end of the last packet.
    """

    time_base: Fraction
    start: int
    size: tuple[int, int]
    sizes: list[tuple[int, int]]
    rotation: int
    packets: list[int]
    keyframes: list[int]
    pts: list[int]
    corrupt: list[bool]
    intra: list[bool]
    faults: int
    end: int


@dataclass(frozen=True, slots=True)
class Pictures:
    """Frames in RGB, uint8 and of shape (N, 3, H, W), through the product's converter.

    Attributes:
        rgb: the frames.
        exact: the same by float conversion, float32; None for scaled frames and formats other than planar YUV.
        flat: shape (N, H, W): True where chroma is flat, so that its position does not matter; None if ``exact`` is.
    """

    rgb: npt.NDArray[np.uint8]
    exact: npt.NDArray[np.float32] | None
    flat: npt.NDArray[np.bool_] | None


class Reference:
    """A child process that decodes one video after another."""

    def __enter__(self) -> Self:
        """Start the child."""
        self._folder = tempfile.TemporaryDirectory(prefix="telecine-reference-")
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.pictures.reference"],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._child.stdin
        assert self._child.stdout
        self._requests, self._replies = self._child.stdin, self._child.stdout
        return self

    def __exit__(self, *_: object) -> None:
        """End the child."""
        self._requests.close()
        self._child.wait(_LIMIT_S)
        self._replies.close()
        self._folder.cleanup()

    def _ask(self, **request: Any) -> dict[str, Any]:
        self._requests.write(json.dumps(request) + "\n")
        self._requests.flush()
        line = self._replies.readline()
        if not line:
            raise RuntimeError(f"the reference decoder ended with {self._child.wait(_LIMIT_S)} at {request}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def decode(self, video: Path) -> SequentialDecode | None:
        """Decode a video; None if FFmpeg cannot open it or it has no video stream."""
        reply = self._ask(video=str(video))
        if "error" in reply:
            return None
        reply["time_base"] = Fraction(*reply["time_base"])
        reply["size"] = tuple(reply["size"])
        reply["sizes"] = [tuple(size) for size in reply["sizes"]]
        return SequentialDecode(**reply)

    def pictures(self, frames: Sequence[int], height: int, width: int, rotation: int) -> Pictures:
        """Convert frames of the last decoded video, given by their positions, to upright RGB of a size."""
        path = Path(self._folder.name) / "pictures.npz"
        self._ask(frames=list(frames), height=height, width=width, rotation=rotation, path=str(path))
        with np.load(path) as arrays:
            return Pictures(arrays["rgb"], arrays.get("exact"), arrays.get("flat"))


def _context(stream: Any) -> Any:
    import av

    # After an error, FFmpeg's own VP8 decoder returns what its memory held before: no two decodes are equal.
    own = stream.codec_context
    return av.CodecContext.create("libvpx", "r") if own.codec.name == "vp8" else own


def _continued(container: Any, stream: Any) -> Iterator[Any]:
    """Yield packets; where the times of a transport stream restart, the second part begins at the end of the first."""
    last, moved = None, 0
    for packet in container.demux(stream):
        if packet.size and packet.dts is not None and container.format.name in ("mpegts", "mpeg"):
            if last is not None and packet.dts < last[0] - stream.time_base.denominator // 10:
                moved += sum(last) - packet.dts
            last = packet.dts, packet.duration or 0
            if moved and packet.pts is not None:
                packet.pts += moved
        yield packet


def _decode(path: str) -> tuple[dict[str, Any], list[Any]]:
    import av

    frames: list[Any] = []
    times: list[int | None] = []
    rows: list[tuple[int, int, bool]] = []
    faults = 0
    with av.open(path, metadata_errors="replace") as container:
        stream = container.streams.best("video")
        if stream is None:
            return {"error": "no video stream"}, []
        base: Any = stream.time_base
        context: Any = _context(stream)
        context.thread_type, context.thread_count = "NONE", 1
        context.flags |= _OUTPUT_CORRUPT
        untimed = False
        try:
            for packet in _continued(container, stream):
                ticks = packet.dts if packet.pts is None else packet.pts
                if packet.size:
                    if ticks is None:
                        ticks = rows[-1][0] + rows[-1][1] if rows else 0
                    if not packet.is_discard:
                        rows.append((ticks, packet.duration or 0, packet.is_keyframe))
                    if packet.pts is None:
                        # The container has packets in storage order: frames are sorted below.
                        packet.pts, untimed = ticks, True
                try:
                    shown = context.decode(packet if packet.size else None)
                except av.FFmpegError:
                    faults += 1
                    continue
                frames += shown
                times += [frame.pts for frame in shown]
        except (av.FFmpegError, IndexError):
            faults += 1
    start = min((row[0] for row in rows), default=0)
    kept = [(frame, ticks) for frame, ticks in zip(frames, times, strict=True) if ticks is not None]
    pts = [ticks - start for _, ticks in kept]
    frames = [frame for frame, _ in kept]
    raw = container.format.name in ("avi", "h264", "hevc", "m4v")
    display: dict[int, int] = {}
    if untimed or (raw and rows == sorted(rows)):
        display = dict(zip(pts, sorted(pts), strict=True))
        pts.sort()
    reply = {
        "time_base": (base.numerator, base.denominator),
        "start": start,
        "size": (frames[0].width, frames[0].height) if frames else (0, 0),
        "sizes": [(frame.width, frame.height) for frame in frames],
        "rotation": round(-frames[0].rotation / 90) * 90 % 360 if frames else 0,
        "packets": sorted(row[0] - start for row in rows),
        "keyframes": sorted(display.get(row[0] - start, row[0] - start) for row in rows if row[2]),
        "pts": pts,
        "corrupt": [bool(frame.is_corrupt) for frame in frames],
        "intra": [int(frame.pict_type) == 1 for frame in frames],
        "faults": faults,
        "end": max((row[0] + row[1] - start for row in rows), default=0),
    }
    return reply, frames


def _convert(frames: Sequence[Any], request: dict[str, Any]) -> dict[str, npt.NDArray[Any]]:
    from jobs.gamedata.frames.conversion import FrameConverter
    from tests.pictures.float_conversion import float_rgb

    height, width, rotation = request["height"], request["width"], request["rotation"]
    converter = FrameConverter(rotation)
    rgb = np.zeros((len(request["frames"]), 3, height, width), np.uint8)
    exact, flat = np.zeros(rgb.shape, np.float32), np.zeros((len(rgb), height, width), np.bool_)
    turned = rotation % 180 != 0
    floats = True
    for row, position in enumerate(request["frames"]):
        frame = frames[position]
        converter.rgb(frame, height, width, rgb[row])
        scaled = (frame.width, frame.height) != ((height, width) if turned else (width, height))
        converted = None if scaled else float_rgb(frame)
        if converted is None:
            floats = False
            continue
        exact[row] = np.rot90(converted[0], -(rotation // 90), axes=(1, 2))
        flat[row] = np.rot90(converted[1], -(rotation // 90))
    return {"rgb": rgb, **({"exact": exact, "flat": flat} if floats else {})}


def _main() -> None:
    import av

    av.logging.set_level(None)
    frames: list[Any] = []
    for line in sys.stdin:
        request = json.loads(line)
        reply: dict[str, Any] = {}
        if "video" in request:
            frames = []
            try:
                reply, frames = _decode(request["video"])
            except (av.FFmpegError, OSError) as error:
                reply = {"error": str(error)}
        else:
            np.savez(request["path"], **_convert(frames, request))  # type: ignore[arg-type]
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    _main()
