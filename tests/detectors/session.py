"""From a variant to a part's row: through a real video and a TAR, or straight from its pictures."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from PIL import Image

from jobs.gamedata.extraction._rows import session_columns
from jobs.gamedata.frames.statistics import measure
from jobs.gamedata.members.inputs import read_inputs
from jobs.gamedata.model import SIGNATURE_SHAPE, STATISTICS_SHAPE, SamplingSpec
from jobs.gamedata.ranges.source import BytesSource
from jobs.gamedata.session.decode import extract_session
from tests.detectors.frames import luma
from tests.fakes.parts import part_row
from tests.tars import inputs_csv, tar_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.gamedata.model import Session
    from tests.detectors.kinds import Variant
    from tests.detectors.paint import Picture

__all__ = ["SPEC", "Drawn", "from_pictures", "row_of", "tar_of", "through_tar"]

SPEC = SamplingSpec(mode="auto", max_height=0)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A session after extraction.

    Attributes:
        row: its part's columns.
        first: the first picture of the 3 s stride, (H, W, 3), which the original looked at for bars; None without one.
        mean_rgb: mean of all bytes of the 30 s stride, which it took for darkness; NaN without one.
        frames: the distinct sampled pictures, RGB, for a model.
    """

    row: dict[str, Any]
    first: Picture | None
    mean_rgb: float
    frames: list[Picture]


def _asked(seconds: float) -> dict[float, list[float]]:
    return {
        stride: [(i + 1) * stride for i in range(count) if (i + 1) * stride < seconds] for stride, count in SPEC.strides
    }


def _inputs(variant: Variant) -> bytes:
    from tests.detectors.inputs import Recording, write

    if "drift" not in variant.devices:
        return inputs_csv(variant.seconds, variant.devices, per_second=1, seed=variant.seed)
    take = Recording(np.random.default_rng(variant.seed), variant.seconds)
    take.mark("START", "VIDEO_START")
    take.drift(0.5, variant.seconds, 4)
    take.mark("VIDEO_END", "END", at=variant.seconds)
    return write(take.ordered())


def tar_of(variant: Variant) -> bytes:
    """Draw a session, encode it with libx264, and pack it with its inputs.csv.

    Pictures are drawn at the sampled times and twice in the second before each, so that sessions of ten minutes take
    what 15 s would; GOPs of one to eight pictures begin where they like: samples are keyframes, P- and B-frames.
    """
    sampled = {time for times in _asked(variant.seconds).values() for time in times}
    moments = {0.0, variant.seconds / 2, variant.seconds - 0.2}
    moments |= {time - back for time in sampled for back in (0.9, 0.4, 0.0)}
    video = _encode(variant, sorted(moment for moment in moments if 0 <= moment < variant.seconds))
    return tar_bytes(video, inputs=_inputs(variant))


def row_of(variant: Variant, session: Session) -> dict[str, Any]:
    """A part's columns of an extracted session."""
    row = part_row(f"{variant.name}.tar", times=()) | session_columns(session)
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in row.items()}


def through_tar(variant: Variant) -> Drawn:
    """Draw, encode, pack, extract: what happens to a real session."""
    session = extract_session(BytesSource(tar_of(variant)), SPEC)
    images = session.frames.images
    assert images is not None
    pictures = [np.ascontiguousarray(image.transpose(1, 2, 0)) for image in images]
    strides = session.frames.strides
    thirty = images[strides[30.0].index]
    return Drawn(
        row_of(variant, session),
        pictures[int(strides[3.0].index[0])] if len(strides[3.0].index) else None,
        float(thirty.mean()) if len(thirty) else float("nan"),
        pictures,
    )


def _encode(variant: Variant, moments: list[float]) -> bytes:
    random = np.random.default_rng([zlib.crc32(b"encoder"), variant.seed])
    grainy = _grain(random, variant.size)
    options = {
        "preset": str(random.choice(["ultrafast", "veryfast"])),
        "crf": str(int(random.integers(18, 35))),
        # With B-frames at such uneven times a file's stated length is up to a second more: a sample, here.
        "bf": str(0 if variant.kind.brief else int(random.integers(0, 3))),
        "threads": "1",
    }
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=30, options=options)
        stream.height, stream.width = variant.size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = int(random.integers(1, 9))
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        ticks = [round(moment * 1000) for moment in moments]
        lasts = dict(zip(ticks, np.diff([*ticks, round(variant.seconds * 1000)]).tolist(), strict=True))

        def write(frame: av.VideoFrame | None) -> None:
            for packet in stream.encode(frame):
                # The muxer would give the last frame the length of the one before, which may be minutes.
                packet.duration = round(lasts[round(packet.pts * packet.time_base * 1000)] / packet.time_base / 1000)
                output.mux(packet)

        for moment in moments:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(grainy(variant.scene(moment))), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU601")
            frame.pts, frame.time_base = round(moment * 1000), Fraction(1, 1000)
            write(frame)
        write(None)
    return file.getvalue()


def _grain(random: np.random.Generator, size: tuple[int, int]) -> Callable[[Picture], Picture]:
    """Film grain, in half of the sessions; as strong as in 360p, where a cell of the grid averages 16 pixels."""
    deviation = float(random.choice([0, 0, 1.5, 4])) * size[0] / 360
    if not deviation:
        return lambda picture: picture
    return lambda picture: (picture + random.normal(0, deviation, (*size, 1))).clip(0, 255).astype(np.uint8)


def from_pictures(variant: Variant) -> Drawn:
    """Draw the sampled pictures alone, give them a JPEG's noise, and measure them: no video, a tenth of the time."""
    asked = _asked(variant.seconds)
    times = sorted({time for each in asked.values() for time in each})
    random = np.random.default_rng([zlib.crc32(b"jpeg"), variant.seed])
    quality = int(random.integers(70, 96))  # JPEG has no filter against ringing at edges, as H.264 has
    grainy = _grain(random, variant.size)
    pictures = [_compressed(grainy(variant.scene(time)), quality) for time in times]
    rows, columns = STATISTICS_SHAPE
    grids = np.zeros((len(times), rows, columns), np.uint8)
    signatures = np.zeros((len(times), *SIGNATURE_SHAPE), np.uint8)
    for number, picture in enumerate(pictures):
        grids[number] = _shrunk(luma(picture).round().astype(np.uint8), rows, columns)
        signatures[number] = _shrunk(picture, *SIGNATURE_SHAPE[:2])
    found = measure(grids, signatures, np.array(times), np.zeros(len(times), bool))
    lists = {name: getattr(found, name).tolist() for name in found.__slots__}
    signature = lists.pop("signature")
    columns_of = {name: lists[name] for name in lists if name not in {"time_s", "corrupt"}}
    events = read_inputs(_inputs(variant))
    inputs = {f"input_{name}": getattr(events, name) for name in events.__slots__}
    row = part_row(
        f"{variant.name}.tar",
        times=times,
        signatures=np.array(signature, np.uint8).reshape(-1, *SIGNATURE_SHAPE),
        duration_s=variant.seconds,
        **columns_of,
        **inputs,
    )
    thirty = [pictures[times.index(time)] for time in asked[30.0]]
    return Drawn(
        row,
        pictures[times.index(3.0)] if times else None,
        float(np.mean([picture.mean() for picture in thirty])) if thirty else float("nan"),
        pictures,
    )


def _compressed(picture: Picture, quality: int) -> Picture:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(file, "jpeg", quality=quality)
    return np.asarray(Image.open(file))


def _shrunk(picture: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((columns, rows), Image.Resampling.BOX))
