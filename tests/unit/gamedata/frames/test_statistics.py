from __future__ import annotations

import numpy as np
import pytest

from jobs.gamedata.frames.statistics import measure, signatures
from jobs.gamedata.model import SIGNATURE_SHAPE, STATISTICS_SHAPE

HEIGHT, WIDTH = STATISTICS_SHAPE


def noise(seed, low=0, high=255, cell=3):
    small = np.random.default_rng(seed).integers(low, high + 1, (HEIGHT // cell + 1, WIDTH // cell + 1))
    return np.kron(small, np.ones((cell, cell), int))[:HEIGHT, :WIDTH].astype(np.uint8)


def blurred(seed, shift):
    x, y = np.meshgrid(np.arange(WIDTH) + shift, np.arange(HEIGHT))
    return (60 + 40 * np.sin(x / 30 + seed) * np.cos(y / 25)).astype(np.uint8)


def statistics(*frames, times=None, device="cpu"):
    luma = np.stack(frames) if frames else np.zeros((0, HEIGHT, WIDTH), np.uint8)
    count = len(luma)
    times = np.arange(count) * 3.0 if times is None else np.array(times)
    return measure(luma, np.zeros((count, *SIGNATURE_SHAPE), np.uint8), times, np.zeros(count, bool), device=device)


def with_text(frame, value=230):
    frame = frame.copy()
    for row in range(10, 80, 8):
        frame[row : row + 3, 20:140:2] = value
    return frame


def test_brightness():
    half = np.zeros(STATISTICS_SHAPE, np.uint8)
    half[:, WIDTH // 2 :] = 200
    found = statistics(half, np.full(STATISTICS_SHAPE, 255, np.uint8))
    assert found.luma_mean.tolist() == [100, 255]
    assert found.luma_p01.tolist() == [0, 255]
    assert found.luma_p50.tolist() == [0, 255]
    assert found.luma_p99.tolist() == [200, 255]


@pytest.mark.parametrize("seed", range(5))
def test_percentiles_are_nearest_ranks(seed):
    luma = noise(seed, cell=1)
    found = statistics(luma)
    for share, value in ((1, found.luma_p01), (50, found.luma_p50), (99, found.luma_p99)):
        assert value[0] == np.percentile(luma, share, method="inverted_cdf")
    assert found.luma_mean[0] == pytest.approx(luma.mean(), abs=1e-4)


def test_bands_are_shares_of_their_side():
    frame = noise(1, 60, 255)
    frame[:9] = 0
    frame[-18:] = 4
    frame[:, :16] = 9
    found = statistics(frame)
    assert found.border_top == pytest.approx(0.1)
    assert found.border_bottom == pytest.approx(0.2)
    assert found.border_left == pytest.approx(0.1)
    assert found.border_right == 0


def test_a_speck_does_not_end_a_band_and_a_line_does():
    frame = noise(1, 60, 255)
    frame[:9] = 0
    frame[4, 70] = 255
    assert statistics(frame).border_top == pytest.approx(0.1)
    frame[4, 60:80] = 255
    assert statistics(frame).border_top == pytest.approx(4 / 90)


def test_a_black_frame_is_all_band():
    found = statistics(np.zeros(STATISTICS_SHAPE, np.uint8))
    assert [found.border_top, found.border_bottom, found.border_left, found.border_right] == [1, 1, 1, 1]


def test_the_same_picture_is_static_and_another_is_not():
    assert statistics(noise(1), noise(1)).static_share.tolist() == [1, 1]
    assert statistics(noise(1), noise(2)).static_share.max() < 0.02


def test_the_most_similar_frame_counts():
    assert statistics(noise(1), noise(2), noise(2)).static_share.round(1).tolist() == [0, 1, 1]


@pytest.mark.parametrize(("between", "expected"), [(0, 1), (5, 1), (15, 1), (16, 0)])
def test_a_returning_page_is_static_within_sixteen_frames(between, expected):
    found = statistics(noise(1), *(noise(10 + seed) for seed in range(between)), noise(1))
    assert [round(float(share)) for share in found.static_share[[0, -1]]] == [expected] * 2


@pytest.mark.parametrize("count", [31, 40, 70])
def test_frames_are_compared_across_steps(count):
    found = statistics(*(noise(seed // 2) for seed in range(2 * (count // 2))))
    assert found.static_share.min() == 1


def test_a_single_frame_and_frames_without_texture_have_no_result():
    assert np.isnan(statistics(noise(1)).static_share).all()
    grey = np.full(STATISTICS_SHAPE, 90, np.uint8)
    assert np.isnan(statistics(grey, grey).static_share).all()
    assert np.isnan(statistics(blurred(0, 0), blurred(0, 7)).static_share).all()


@pytest.mark.parametrize("level", [75, 120, 250])
def test_a_menu_over_a_drifting_blurred_picture_is_static(level):
    found = statistics(*(with_text(blurred(0, shift) // 2, level) for shift in (0, 9, 31)))
    assert found.static_share.min() > 0.8


def test_a_menu_stays_static_while_it_fades_or_is_encoded_again():
    menu = with_text(np.full(STATISTICS_SHAPE, 40, np.uint8), 200)
    coded = np.clip(menu + np.random.default_rng(0).normal(0, 0.7, menu.shape), 0, 255).astype(np.uint8)
    assert statistics(menu, menu - 12, coded).static_share.min() > 0.9


def test_grain_does_not_move_a_menu():
    menu = with_text(np.full(STATISTICS_SHAPE, 90, np.uint8), 200)
    grains = np.random.default_rng(0).normal(0, 1.2, (3, *STATISTICS_SHAPE))
    assert statistics(*(np.clip(menu + grain, 0, 255).astype(np.uint8) for grain in grains)).static_share.min() > 0.9


def test_gameplay_still_moves_after_grain_is_subtracted():
    shares = statistics(*(noise(seed, 60, 160, cell=1) for seed in range(4))).static_share
    assert shares.max() < 0.1


@pytest.mark.parametrize("high", [24, 120, 255])
def test_gameplay_under_a_hud_is_not_static_however_dim(high):
    def frame(seed):
        picture = noise(seed, 0, high)
        picture[80:, :30] = noise(99, 100, 255)[80:, :30]
        picture[:6, 100:] = noise(98, 100, 255)[:6, 100:]
        return picture

    found = statistics(*(frame(seed) for seed in range(5)))
    assert found.static_share.max() < 0.2


def around(frame, lit):
    """Add bright panels at the bottom and at one side."""
    frame = frame.copy()
    frame[68:] = noise(5, 90, 255)[68:]
    frame[:, 135:] = noise(6, 90, 255)[:, 135:]
    return with_text(frame, lit) if lit else frame


@pytest.mark.parametrize(("back", "lit", "known"), [(8, 0, False), (8, 220, True), (60, 0, True)])
def test_a_hud_around_darkness_has_no_result_and_a_menu_on_black_has_one(back, lit, known):
    frame = around(np.full(STATISTICS_SHAPE, back, np.uint8), lit)
    found = statistics(frame, frame).static_share
    assert found.tolist() == [1, 1] if known else np.isnan(found).all()


def test_a_hud_in_front_of_a_black_scene_has_no_result():
    frame = np.full(STATISTICS_SHAPE, 12, np.uint8)
    frame[82:88, 5:30] = noise(3)[82:88, 5:30]
    assert np.isnan(statistics(frame, frame).static_share).all()


def test_black_bars_do_not_count_as_static():
    frames = [noise(seed, 80, 255) for seed in range(3)]
    for frame in frames:
        frame[:12] = frame[-12:] = 0
    assert statistics(*frames).static_share.max() < 0.02


def test_frames_within_a_second_are_not_compared():
    found = statistics(noise(1), noise(1), noise(2), times=[0, 0.5, 3])
    assert found.static_share.max() < 0.02
    assert np.isnan(statistics(noise(1), noise(1), times=[0, 0.5]).static_share).all()


def test_no_frames():
    found = statistics()
    assert found.luma_mean.shape == found.static_share.shape == (0,)


def test_results_do_not_depend_on_the_number_of_frames():
    frames = [noise(seed // 2) for seed in range(80)]
    whole, part = statistics(*frames), statistics(*frames[:10])
    assert np.array_equal(whole.static_share[:9], part.static_share[:9])
    assert np.array_equal(whole.luma_p50[:10], part.luma_p50)


def test_torch_is_bit_identical_to_numpy(monkeypatch):
    torch = pytest.importorskip("torch")
    from jobs.gamedata.frames import statistics as module

    frames = [with_text(noise(seed // 2, 0, 90 + seed)) for seed in range(40)]
    for frame in frames[10:20]:
        frame[:9] = 0
    times = np.cumsum(np.random.default_rng(0).uniform(0.2, 4, 40))
    ours = statistics(*frames, times=times)
    monkeypatch.setattr(module, "_backend", lambda _device, luma: (torch, torch.from_numpy(luma.copy())))
    theirs = statistics(*frames, times=times, device="cuda")
    for name in ours.__dataclass_fields__:
        first, second = getattr(ours, name), getattr(theirs, name)
        assert first.dtype == second.dtype
        assert np.array_equal(first, second, equal_nan=first.dtype.kind == "f"), name


def test_wrong_shapes_are_rejected():
    with pytest.raises(ValueError, match="luma has shape"):
        measure(
            np.zeros((2, 9, 16), np.uint8), np.zeros((2, *SIGNATURE_SHAPE), np.uint8), np.zeros(2), np.zeros(2, bool)
        )


def test_signatures_are_block_means():
    thumbnails = np.random.default_rng(0).integers(0, 256, (3, HEIGHT, WIDTH, 3), dtype=np.uint8)
    found = signatures(thumbnails)
    assert found.shape == (3, *SIGNATURE_SHAPE)
    means = thumbnails.reshape(3, 9, 10, 16, 10, 3).mean(axis=(2, 4))
    assert np.abs(found - means).max() <= 0.5
