"""A sample of the matrix, at least one video of each kind; ``make bench`` runs all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import pytest

from tests.pictures.encodes import Absent
from tests.pictures.matrix import FORMS, run_video
from tests.pictures.reference import Reference
from tests.pictures.studio import Studio
from tests.pictures.videos import videos

if TYPE_CHECKING:
    from collections.abc import Iterator


_SAMPLE = [video for video in videos() if video.sample]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    with Reference() as decoder:
        yield decoder


@pytest.fixture(autouse=True)
def silent_ffmpeg() -> Iterator[None]:
    level = av.logging.get_level()
    av.logging.set_level(None)
    yield
    av.logging.set_level(level)


def test_every_kind_is_in_the_sample() -> None:
    # Videos that need Debian's ffmpeg are left to the bench, so that a machine without it runs the whole sample.
    assert {video.kind for video in videos()} - {video.kind for video in _SAMPLE} == {"reported"}


@pytest.mark.parametrize("number", range(len(_SAMPLE)), ids=[video.name for video in _SAMPLE])
def test_a_stored_frame_is_that_of_a_full_decode_or_marked(number: int, studio: Studio, reference: Reference) -> None:
    video = _SAMPLE[number]
    combinations = [("exact", "rgb"), ("auto", "packets"), ("keyframe", FORMS[number % 2])]
    try:
        rows = list(run_video(video, combinations, studio, reference))
    except Absent as reason:
        pytest.skip(str(reason))
    for row in rows:
        assert not row.result.wrong, f"{row.mode}, {row.form}"
        assert not row.result.lost, f"{row.mode}, {row.form}: {row.result.error}"
        assert row.result.frames, f"{row.mode}, {row.form}: no frames"
