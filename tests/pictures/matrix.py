"""Run the matrix: every video in three sampling modes, stored as pixels and as packets; count the outcomes."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.gamedata.members.tar import VIDEO_SUFFIXES
from jobs.gamedata.model import SamplingSpec, stride_key
from jobs.gamedata.pt.file import dump, loads
from jobs.gamedata.ranges.source import BytesSource
from jobs.gamedata.session.decode import extract_session
from tests.pictures.comparison import Stored, compare
from tests.pictures.encodes import Absent
from tests.pictures.reference import Reference
from tests.pictures.studio import Studio
from tests.pictures.videos import videos
from tests.tars import tar_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tests.pictures.comparison import Comparison
    from tests.pictures.studio import Video

__all__ = ["FORMS", "MODES", "Report", "Row", "extract", "packed", "run", "run_video", "spec_of"]

MODES: Final = ("auto", "exact", "keyframe")
FORMS: Final = ("rgb", "packets")


@dataclass(frozen=True, slots=True)
class Row:
    """One combination and its outcome."""

    video: Video
    mode: str
    form: str
    readable: bool
    result: Comparison


@dataclass(slots=True)
class Report:
    """All combinations, and the videos that this machine cannot make, by reason."""

    rows: list[Row] = field(default_factory=list)
    skips: Counter[str] = field(default_factory=Counter)

    @property
    def wrong(self) -> list[str]:
        """Every violation, as text."""
        return [f"{row.video.name}, {row.mode}, {row.form}: {text}" for row in self.rows for text in row.result.wrong]


def run(
    folder: Path,
    chosen: Iterable[tuple[Video, str, str]] | None = None,
    *,
    each: Callable[[Row], None] = lambda _: None,
) -> Report:
    """Make the videos, extract their sessions in this process, and compare.

    Args:
        folder: where the videos are written.
        chosen: video, sampling mode and form of frames; None takes all combinations.
        each: called with each row.
    """
    if chosen is None:
        chosen = itertools.product(videos(), MODES, FORMS)
    report = Report()
    studio = Studio(folder)
    with Reference() as reference:
        for video, group in itertools.groupby(chosen, key=lambda combination: combination[0]):
            combinations = [(mode, form) for _, mode, form in group]
            try:
                rows = run_video(video, combinations, studio, reference)
            except Absent as reason:
                report.skips[str(reason)] += len(combinations)
                continue
            for row in rows:
                report.rows.append(row)
                each(row)
    return report


def run_video(
    video: Video, combinations: Iterable[tuple[str, str]], studio: Studio, reference: Reference
) -> Iterator[Row]:
    """Make one video, and yield the comparison of each sampling mode and form of frames.

    Raises:
        Absent: an encoder or muxer is missing.
    """
    path = video.make(studio)
    return _rows(video, path, combinations, reference)


def _rows(video: Video, path: Path, combinations: Iterable[tuple[str, str]], reference: Reference) -> Iterator[Row]:
    truth = reference.decode(path)
    readable = truth is not None and not all(truth.corrupt)
    tar = BytesSource(packed(path))
    for mode, form in combinations:
        spec = spec_of(video, mode, form)
        result = compare(partial(extract, tar, spec), spec, truth, reference)
        yield Row(video, mode, form, readable, result)


def spec_of(video: Video, mode: str, form: str) -> SamplingSpec:
    """Return the sampling of a combination."""
    return SamplingSpec(strides=video.strides, mode=mode, frames=form)  # type: ignore[arg-type]


def packed(path: Path) -> bytes:
    """Return a TAR of a video and an empty metadata.json; an unknown suffix is replaced, because FFmpeg ignores it."""
    suffix = path.suffix if path.suffix in VIDEO_SUFFIXES else ".mkv"
    return tar_bytes(path, metadata=b"{}", inputs=None, video_name=f"v{suffix}")


def extract(tar: BytesSource, spec: SamplingSpec) -> Stored:
    """Extract a TAR in this process, and read the pictures back as a reader of its ``.pt`` file would."""
    session = extract_session(tar, spec)
    store = session.frames
    images = np.zeros((len(store), 3, store.height, store.width), np.uint8)
    loaded = loads(dump(session, s3_key="v.tar", source_etag="0", spec=spec, extracted_at="2026-01-01T00:00:00Z"))
    for stride, samples in store.strides.items():
        images[samples.index] = loaded.sampled_frames[stride_key(stride)]
    return Stored(
        images,
        store.time_s,
        [ticks * Fraction(*store.time_base) for ticks in store.pts.tolist()],
        session.statistics.corrupt,
        {
            stride: list(zip(samples.asked_s.tolist(), samples.index.tolist(), strict=True))
            for stride, samples in store.strides.items()
        },
        session.warnings,
    )
