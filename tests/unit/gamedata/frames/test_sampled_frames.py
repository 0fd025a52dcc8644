from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from jobs.gamedata.frames import sampled_frames


def test_damage_under_gradual_refresh_ends_three_rounds_after_the_next_recovery_point():
    sampling = object.__new__(sampled_frames._Sampling)
    sampling.reader = SimpleNamespace(pts=np.arange(100), refresh=np.arange(100) % 20 == 0)
    assert sampling._healed(np.array([5, 20, 45, 95])).tolist() == [80, 100, 100, 100]


def test_without_gradual_refresh_damage_lasts_to_the_end_of_its_span():
    sampling = object.__new__(sampled_frames._Sampling)
    sampling.reader = SimpleNamespace(pts=np.arange(100), refresh=None)
    assert sampling._healed(np.array([5])).tolist() == [100]
