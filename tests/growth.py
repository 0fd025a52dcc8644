"""Measure how the time of a function grows with its input; absolute times would depend on the machine."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["assert_linear"]

# Linear work takes twice the time for twice the input, quadratic work four times.
_MOST = 3.0
_LEAST_S = 0.002
_TRIES = 5


def assert_linear(make: Callable[[int], Any], run: Callable[[Any], Any], size: int, *, most: int = 1 << 22) -> None:
    """Assert that twice the input takes at most three times as long.

    Args:
        make: creates an input of a size.
        run: reads it; its errors are ignored.
        size: size of the smaller input; doubled until it takes 2 ms, or until ``most``.
        most: the largest size of the smaller input.
    """
    while _seconds(make(size), run) < _LEAST_S and size < most:
        size *= 2
    ratios = []
    for _ in range(_TRIES):  # a busy machine can disturb any one of them
        small, large = make(size), make(2 * size)
        ratios.append(min(_seconds(large, run) for _ in range(2)) / min(_seconds(small, run) for _ in range(2)))
        if ratios[-1] <= _MOST:
            return
    raise AssertionError(f"twice the input takes {min(ratios):.1f} times as long, at {size}")


def _seconds(value: Any, run: Callable[[Any], Any]) -> float:
    began = time.process_time()
    with suppress(Exception):
        run(value)
    return max(time.process_time() - began, 1e-6)
