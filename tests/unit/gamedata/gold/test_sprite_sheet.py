"""Choosing and drawing the frames of a sprite."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from jobs.gamedata.gold.sprite_sheet import MAX_BYTES, TILES, choose, encode, geometry
from jobs.gamedata.model import SamplingSpec
from shared.errors import ItemError


def noise(count: int, height: int, width: int, *, cell: int = 1) -> list[np.ndarray]:
    random = np.random.default_rng(count * height)
    small = random.integers(0, 256, (count, 3, -(-height // cell), -(-width // cell)), dtype=np.uint8)
    return list(small.repeat(cell, 2).repeat(cell, 3)[:, :, :height, :width])


@given(st.lists(st.floats(0, 1e6, allow_nan=False), max_size=60, unique=True), st.integers(1, 3))
def test_chosen_frames_ascend_and_include_the_first_and_last(times, sessions):
    ordered = np.sort(np.array(times, np.float64))
    chosen = choose(np.broadcast_to(ordered, (sessions, len(ordered))))
    assert chosen.shape == (sessions, min(len(ordered), TILES))
    assert (np.diff(chosen, axis=1) > 0).all()
    if len(ordered):
        assert (chosen[:, 0] == 0).all()
        assert (chosen[:, -1] == len(ordered) - 1).all()


def test_chosen_frames_are_spread_over_the_time_not_over_the_samples():
    spec = SamplingSpec()
    times = np.unique([(i + 1) * stride for stride, count in spec.strides for i in range(count)])
    chosen = times[choose(times[None])[0]]
    assert len(times) == 29
    assert np.sum(chosen <= 45) <= 3  # half of the samples lie within these 45 of 450 seconds


@pytest.mark.parametrize("size", [(360, 640), (640, 360), (1, 4000), (4000, 1), (2, 2), (90, 160)])
@pytest.mark.parametrize("count", [1, 5, 12])
def test_a_sprite_has_the_size_that_its_geometry_says(size, count):
    place = geometry(*size, count)
    assert 1 <= place.tile_width <= 160
    assert 1 <= place.tile_height <= 90
    picture = Image.open(io.BytesIO(encode(noise(count, *size), place)))
    assert picture.size == (place.columns * place.tile_width, -(-count // place.columns) * place.tile_height)


@pytest.mark.parametrize("cell", [1, 2, 3, 4, 8])
def test_noise_of_any_grain_takes_at_most_20_kb(cell):
    body = encode(noise(12, 360, 640, cell=cell), geometry(360, 640, 12))
    assert len(body) <= MAX_BYTES


def test_tiles_are_in_rows_from_the_top_left():
    frames = [np.full((3, 90, 160), 20 * number, np.uint8) for number in range(6)]
    place = geometry(90, 160, 6)
    picture = Image.open(io.BytesIO(encode(frames, place))).convert("L")
    for number in range(6):
        x, y = number % place.columns * place.tile_width + 80, number // place.columns * place.tile_height + 45
        assert abs(picture.getpixel((x, y)) - 20 * number) <= 4


def test_a_picture_that_is_too_large_at_every_quality_is_a_code(monkeypatch):
    monkeypatch.setattr("jobs.gamedata.gold.sprite_sheet.MAX_BYTES", 10)
    with pytest.raises(ItemError) as caught:
        encode(noise(2, 90, 160), geometry(90, 160, 2))
    assert caught.value.code == "sprite_failed"
