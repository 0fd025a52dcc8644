"""The collector of cycles is paused, and runs again afterwards."""

from __future__ import annotations

import gc

import pytest

from shared.collector import no_collection


def fails() -> None:
    with no_collection():
        with no_collection():
            assert not gc.isenabled()
        assert not gc.isenabled()
        raise KeyError("x")


def test_the_collector_is_paused_and_runs_again_after_an_error():
    assert gc.isenabled()
    with pytest.raises(KeyError):
        fails()
    assert gc.isenabled()
