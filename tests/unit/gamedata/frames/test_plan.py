from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.gamedata.frames.plan import FramePlan, plan_frames
from jobs.gamedata.model import SamplingSpec

MODES = ("auto", "keyframe", "exact")


def video(frames: int, gop: int, *, b_frames: int = 0, open_gop: bool = False, step: int = 1) -> tuple:
    """Return pts and keyframes in decode order: each reference frame is moved before its B-frames."""
    order: list[int] = []
    place = 0
    while place < frames:
        end = frames if open_gop else min(frames, place - place % gop + gop)
        if place % gop == 0 and (not open_gop or place == 0):
            order.append(place)
            place += 1
            continue
        last = min(place + b_frames, end - 1)
        if open_gop:
            last = next((n for n in range(place, last + 1) if n % gop == 0), last)
        order += [last, *range(place, last)]
        place = last + 1
    shown = np.array(order, np.int64)
    return shown * step, shown % gop == 0


@st.composite
def videos(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    return video(
        draw(st.integers(1, 400)),
        draw(st.integers(1, 120)),
        b_frames=draw(st.integers(0, 3)),
        open_gop=draw(st.booleans()),
        step=draw(st.integers(1, 5)),
    )


STRIDES = st.lists(
    st.tuples(st.floats(0.05, 50, allow_nan=False), st.integers(1, 20)),
    min_size=1,
    max_size=4,
    unique_by=lambda x: x[0],
).map(tuple)


def asked_for(clip: tuple, spec: SamplingSpec, **more: object) -> FramePlan:
    pts, keyframe = clip
    duration = (pts.max() + 1) / 10
    return plan_frames(pts, keyframe, time_base=(1, 10), duration_s=duration, spec=spec, **more)


@given(clip=videos(), strides=STRIDES, mode=st.sampled_from(MODES))
@settings(max_examples=200)
def test_every_requested_time_has_a_decodable_frame(clip: tuple, strides: tuple, mode: str) -> None:
    pts, keyframe = clip
    duration = (pts.max() + 1) / 10
    result = asked_for(clip, SamplingSpec(strides=strides, mode=mode))
    assert (np.diff(pts[result.index]) > 0).all()
    for stride, count in strides:
        times = result.strides[stride]
        assert times.asked_s.tolist() == [stride * (i + 1) for i in range(count) if stride * (i + 1) < duration]
        assert len(times.index) == len(times.asked_s)
        if mode != "auto":
            assert (np.diff(times.index) >= 0).all()
        exact = result.index[times.index]
        if mode == "exact":
            for time, sample in zip(times.asked_s, exact, strict=True):
                assert pts[sample] <= time * 10 + 1e-3
                assert not ((pts > pts[sample]) & (pts <= time * 10)).any()
        if mode == "keyframe":
            assert keyframe[exact].all()
            nearest = np.abs(pts[keyframe][None] - times.asked_s[:, None] * 10).min(axis=1)
            assert np.allclose(np.abs(pts[exact] - times.asked_s * 10), nearest)
    used = {int(row) for times in result.strides.values() for row in times.index}
    assert used == set(range(len(result.index)))

    assert keyframe[result.first].all()
    assert (result.first <= result.index).all()
    assert (pts[result.first] <= pts[result.index]).all()
    assert (result.keyframe == (result.first == result.index)).all()
    assert sorted(row for span in result.spans for row in span.rows) == list(range(len(result.index)))
    last = -1
    for span in result.spans:
        assert keyframe[span.first]
        assert last < span.first <= span.last
        last = span.last
        for row in span.rows:
            assert span.first <= result.first[row] <= result.index[row] <= span.last


@given(clip=videos(), strides=STRIDES)
def test_auto_never_repeats_a_nearest_keyframe(clip: tuple, strides: tuple) -> None:
    pts, keyframe = clip
    result = asked_for(clip, SamplingSpec(strides=strides))
    for times in result.strides.values():
        chosen: list[int] = []
        for time, row in zip(times.asked_s, times.index, strict=True):
            sample = int(result.index[row])
            displayed = pts[pts <= time * 10 + 1e-3].max()
            # A frame may repeat only if it is displayed at both times, in a video with fewer frames than times.
            assert sample not in chosen or pts[sample] == displayed
            assert pts[sample] > 0 or displayed == 0
            assert keyframe[sample] or pts[sample] == displayed
            chosen.append(sample)


@given(clip=videos(), strides=STRIDES, mode=st.sampled_from(MODES))
def test_the_order_of_strides_changes_nothing(clip: tuple, strides: tuple, mode: str) -> None:
    one = asked_for(clip, SamplingSpec(strides=strides, mode=mode))
    other = asked_for(clip, SamplingSpec(strides=strides[::-1], mode=mode))
    assert one.index.tolist() == other.index.tolist()
    assert one.spans == other.spans
    assert one.repeated == other.repeated
    assert all(one.strides[s].index.tolist() == other.strides[s].index.tolist() for s, _ in strides)


def ten_minutes() -> tuple:
    pts, keyframe = video(36_000, 250, b_frames=2)
    return pts, keyframe


def test_ten_minutes_at_60_fps_need_about_30_frames() -> None:
    pts, keyframe = ten_minutes()
    counts = {}
    for mode in MODES:
        result = plan_frames(pts, keyframe, time_base=(1, 60), duration_s=600.0, spec=SamplingSpec(mode=mode))
        assert [len(result.strides[stride].index) for stride in (3.0, 30.0, 60.0)] == [15, 15, 5]
        counts[mode] = (len(result.index), result.repeated, sum(span.last - span.first + 1 for span in result.spans))
    assert counts["exact"][:2] == (29, 0)
    assert counts["auto"][:2][1] == 0
    assert counts["keyframe"][1] > 0
    assert counts["keyframe"][2] == counts["keyframe"][0] <= 26
    assert counts["keyframe"][2] < counts["auto"][2] < counts["exact"][2]


def test_a_frame_displayed_before_its_keyframe_is_decoded_from_the_previous_one() -> None:
    pts, keyframe = np.array([0, 2, 1, 4, 3, 6, 5]), np.array([1, 0, 0, 1, 0, 0, 0], bool)
    result = plan_frames(pts, keyframe, time_base=(1, 1), duration_s=7, spec=SamplingSpec(((3.0, 1),), "exact"))
    assert (result.index.tolist(), result.first.tolist()) == ([4], [0])
    result = plan_frames(pts, keyframe, time_base=(1, 1), duration_s=7, spec=SamplingSpec(((3.0, 2),), "exact"))
    assert [(span.first, span.last, span.rows) for span in result.spans] == [(0, 5, (0, 1))]


def test_frames_dropped_by_an_edit_list_are_never_chosen() -> None:
    pts, keyframe = np.arange(-5, 10), np.arange(15) % 10 == 0
    shown = pts >= 0
    result = plan_frames(pts, keyframe, time_base=(1, 1), duration_s=10, spec=SamplingSpec(((1.0, 20),)), shown=shown)
    assert (pts[result.index] >= 0).all()
    assert result.first.tolist()[0] == 0


def test_rounding_of_times_does_not_select_the_frame_before() -> None:
    pts = np.arange(10) * 1000
    spec = SamplingSpec(((0.1, 9),), "exact")
    result = plan_frames(pts, pts == 0, time_base=(1, 10_000), duration_s=1, spec=spec)
    assert result.index.tolist() == list(range(1, 10))


@pytest.mark.parametrize("keyframes", [[], [0], [3]])
def test_few_keyframes(keyframes: list[int]) -> None:
    pts, keyframe = np.arange(10), np.isin(np.arange(10), keyframes)
    result = plan_frames(pts, keyframe, time_base=(1, 1), duration_s=None, spec=SamplingSpec(((2.0, 9),)))
    assert len(result.strides[2.0].index) == 4
    assert result.first.min() == (3 if keyframes == [3] and pts[result.index].min() >= 3 else 0)


def test_videos_without_frames_and_short_videos_have_no_samples() -> None:
    none = np.zeros(0, np.int64)
    for result in (
        plan_frames(none, none.astype(bool), time_base=(1, 1), duration_s=0, spec=SamplingSpec()),
        plan_frames(np.array([0]), np.array([True]), time_base=(1, 1), duration_s=1, spec=SamplingSpec()),
        plan_frames(
            np.array([0]),
            np.array([True]),
            time_base=(1, 1),
            duration_s=1,
            spec=SamplingSpec(),
            shown=np.zeros(1, bool),
        ),
    ):
        assert len(result.index) == 0
        assert result.spans == ()
        assert [len(times.index) for times in result.strides.values()] == [0, 0, 0]


def test_wrong_arguments() -> None:
    pts = np.arange(3)
    with pytest.raises(ValueError, match="equal length"):
        plan_frames(pts, np.ones(2, bool), time_base=(1, 1), duration_s=1, spec=SamplingSpec())
    with pytest.raises(ValueError, match="time base"):
        plan_frames(pts, np.ones(3, bool), time_base=(1, 0), duration_s=1, spec=SamplingSpec())


def test_decoding_starts_at_recovery_points_but_never_chooses_them():
    pts = np.arange(100, dtype=np.int64)
    keyframe, refresh = np.zeros(100, np.bool_), np.zeros(100, np.bool_)
    keyframe[[0, 50]] = True
    refresh[[10, 20, 30, 40, 60, 70, 80, 90]] = True
    settings = {"time_base": (1, 1), "duration_s": 100.0, "refresh": refresh}
    spec = SamplingSpec(strides=((5.0, 19),), mode="exact")
    for lead, first_of in ((1, {45: 30, 95: 80, 55: 50, 65: 50, 15: 0, 50: 50}), (3, {45: 10, 95: 60, 35: 0, 75: 50})):
        chosen = plan_frames(pts, keyframe, spec=spec, lead=lead, **settings)
        found = dict(zip(chosen.index.tolist(), chosen.first.tolist(), strict=True))
        assert {sample: found[sample] for sample in first_of} == first_of
    nearest = plan_frames(pts, keyframe, spec=SamplingSpec(strides=((5.0, 19),), mode="keyframe"), **settings)
    assert set(nearest.index.tolist()) == {0, 50}
