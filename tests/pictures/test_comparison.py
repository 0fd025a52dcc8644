"""Test the comparison itself: it must detect a wrong picture, a wrong time and a wrong mark."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from jobs.gamedata.errors import item_error
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.ranges.source import BytesSource
from tests.pictures.comparison import compare
from tests.pictures.encodes import encode
from tests.pictures.matrix import extract, packed
from tests.pictures.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.pictures.comparison import Comparison, Stored

_SPEC = SamplingSpec(strides=((1.0, 6),), mode="exact")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Callable[[Stored], Stored]], Comparison]]:
    video = encode(tmp_path_factory.mktemp("comparison") / "v.mp4", seconds=5)
    stored = extract(BytesSource(packed(video)), _SPEC)
    with Reference() as reference:
        truth = reference.decode(video)
        yield lambda change: compare(lambda: change(stored), _SPEC, truth, reference)


def _with(stored: Stored, row: int, image: np.ndarray) -> Stored:
    images = stored.images.copy()
    images[row] = image
    return replace(stored, images=images)


def test_what_the_product_stores_of_a_plain_video_is_right(judged) -> None:
    found = judged(lambda stored: stored)
    assert (found.frames, found.right, found.floats, found.missing, found.wrong) == (4, 4, 4, 0, [])


def test_a_picture_of_another_time_is_wrong(judged) -> None:
    found = judged(lambda stored: _with(stored, 1, stored.images[2]))
    assert (found.right, len(found.wrong)) == (3, 1)
    assert found.wrong[0].startswith("2.00 s: differs by ")


def test_one_level_is_tolerated_and_two_are_not(judged) -> None:
    one = judged(lambda stored: _with(stored, 0, np.maximum(stored.images[0], 1) - 1))
    # It is also up to 1.5 off the float conversion, which is reported separately.
    assert not any("differs" in text for text in one.wrong)
    two = judged(lambda stored: _with(stored, 0, np.maximum(stored.images[0], 2) - 2))
    assert any("differs by 2" in text for text in two.wrong)


def test_a_wrong_picture_that_is_marked_is_only_counted(judged) -> None:
    marks = np.array([False, True, False, False])
    found = judged(lambda stored: replace(_with(stored, 1, stored.images[2]), corrupt=marks))
    assert (found.right, found.marked, found.marked_right, found.wrong) == (3, 1, 0, [])


def test_a_right_picture_that_is_marked_is_counted_as_such(judged) -> None:
    found = judged(lambda stored: replace(stored, corrupt=np.array([False, True, False, False])))
    assert (found.right, found.marked, found.marked_right, found.wrong) == (3, 1, 1, [])


def test_a_frame_off_the_requested_time_is_wrong(judged) -> None:
    def moved(stored: Stored) -> Stored:
        return replace(stored, strides={1.0: [(1.0, 1), *stored.strides[1.0][1:]]})

    found = judged(moved)
    assert found.wrong == ["1.00 s: the stored frame is of 2.00 s; expected 1.00 s"]


def test_a_time_that_no_frame_has_is_wrong(judged) -> None:
    found = judged(lambda stored: replace(stored, time_s=stored.time_s + np.array([0.0, 0.03, 0.0, 0.0])))
    assert "2.03 s: no frame has this time" in found.wrong


def test_a_wrong_pts_is_wrong(judged) -> None:
    def moved(stored: Stored) -> Stored:
        assert stored.pts is not None
        return replace(stored, pts=[stored.pts[0] + 1, *stored.pts[1:]])

    assert judged(moved).wrong == ["the pts is 2.000 s; expected 1.000 s"]


def test_a_requested_time_without_a_frame_is_missing(judged) -> None:
    found = judged(lambda stored: replace(stored, strides={1.0: stored.strides[1.0][1:]}))
    assert (found.missing, found.wrong) == (1, [])


def test_another_size_is_wrong(judged) -> None:
    found = judged(lambda stored: replace(stored, images=stored.images.transpose(0, 1, 3, 2)))
    assert found.wrong == ["frames are 144x176; expected 176x144"]


def test_a_typed_error_for_a_good_video_is_a_loss_and_any_other_is_wrong(judged) -> None:
    def typed(_: Stored) -> Stored:
        raise item_error("decode_failed", "no")

    def untyped(_: Stored) -> Stored:
        raise KeyError("x")

    assert judged(typed).lost
    assert judged(untyped).wrong == ["raised KeyError: 'x'"]
