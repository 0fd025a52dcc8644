from __future__ import annotations

import doctest

import pytest

from shared import verdict as module
from shared.verdict import verdict


@pytest.mark.parametrize(
    ("failed", "total", "allowed", "code"),
    [
        *((0, 0, None, 0), (0, 9, None, 0), (1, 2, None, 0), (8, 9, None, 0), (2, 2, None, 65), (9, 9, None, 65)),
        *((1, 9, 0, 65), (1, 9, 1, 0), (0, 9, 0, 0), (2, 2, 2, 0), (3, 9, 2, 65)),
    ],
)
def test_lasting_failures(failed, total, allowed, code):
    assert verdict(failed, total, allowed).exit_code == code


@pytest.mark.parametrize(
    ("failed", "total", "allowed", "transient", "code"),
    [
        *((2, 2, None, 1, 75), (2, 2, None, 2, 75), (1, 2, None, 1, 0), (0, 0, None, 0, 0)),
        *((1, 9, 0, 1, 75), (2, 9, 0, 1, 65), (2, 9, 1, 1, 75), (2, 9, 2, 1, 0), (3, 9, 1, 1, 65)),
    ],
)
def test_failures_that_a_retry_may_cure(failed, total, allowed, transient, code):
    assert verdict(failed, total, allowed, transient=transient).exit_code == code


@pytest.mark.parametrize(
    ("failed", "allowed", "status"),
    [(0, None, "success"), (1, None, "partial"), (1, 1, "partial"), (1, 0, "failed"), (9, None, "failed")],
)
def test_status(failed, allowed, status):
    assert verdict(failed, 9, allowed).status == status


def test_the_examples_hold():
    assert doctest.testmod(module) == (0, 3)
