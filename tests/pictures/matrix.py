"""The matrix: every video, in three sampling modes, stored as pixels and as packets; run it, and count what came out."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobs.gamedata.members.tar import VIDEO_SUFFIXES
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.pt.file import dump, loads
from jobs.gamedata.ranges.source import BytesSource
from jobs.gamedata.session.decode import extract_session
from tests.pictures.comparison import compare
from tests.pictures.encodes import Absent
from tests.pictures.reference import Reference
from tests.pictures.videos import Studio, videos
from tests.tars import tar_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import numpy.typing as npt

    from jobs.gamedata.model import Session
    from tests.pictures.comparison import Comparison
    from tests.pictures.videos import Video

__all__ = ["FORMS", "MODES", "Report", "Row", "run"]

MODES: Final = ("auto", "exact", "keyframe")
FORMS: Final = ("rgb", "packets")


@dataclass(frozen=True, slots=True)
class Row:
    """One combination and what became of it."""

    video: Video
    mode: str
    form: str
    readable: bool
    result: Comparison


@dataclass(slots=True)
class Report:
    """All combinations, and the videos that this machine cannot make, by their reason."""

    rows: list[Row] = field(default_factory=list)
    skips: Counter[str] = field(default_factory=Counter)

    @property
    def wrong(self) -> list[str]:
        """What breaks the promise, one text each."""
        return [f"{row.video.name}, {row.mode}, {row.form}: {text}" for row in self.rows for text in row.result.wrong]


def run(
    folder: Path,
    chosen: Iterable[tuple[Video, str, str]] | None = None,
    *,
    each: Callable[[Row], None] = lambda _: None,
) -> Report:
    """Make the videos, extract their sessions, and compare.

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
            combinations = list(group)
            try:
                path = video.make(studio)
            except Absent as reason:
                report.skips[str(reason)] += len(combinations)
                continue
            truth = reference.decode(path)
            readable = truth is not None and not all(truth.corrupt)
            suffix = path.suffix if path.suffix in VIDEO_SUFFIXES else ".mkv"
            tar = BytesSource(tar_bytes(path, metadata=b"{}", inputs=None, video_name=f"v{suffix}"))
            for _, mode, form in combinations:
                spec: Any = SamplingSpec(strides=video.strides, mode=mode, frames=form)  # type: ignore[arg-type]

                def extract(tar: BytesSource = tar, spec: SamplingSpec = spec) -> tuple[Session, npt.NDArray[np.uint8]]:
                    session = extract_session(tar, spec)
                    return session, _images(session, spec)

                result = compare(extract, spec, truth, reference, restarts=video.restarts)
                report.rows.append(Row(video, mode, form, readable, result))
                each(report.rows[-1])
    return report


def _images(session: Session, spec: SamplingSpec) -> npt.NDArray[np.uint8]:
    """Return the D pictures as a reader of the ``.pt`` file gets them."""
    store = session.frames
    images = np.zeros((len(store), 3, store.height, store.width), np.uint8)
    loaded = loads(dump(session, s3_key="v.tar", source_etag="0", spec=spec, extracted_at="2026-01-01T00:00:00Z"))
    for (_, samples), frames in zip(store.strides.items(), loaded.sampled_frames.values(), strict=True):
        images[samples.index] = frames
    return images
