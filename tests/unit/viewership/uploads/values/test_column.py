"""Values of a column in messages."""

from __future__ import annotations

import polars as pl
import pytest

from jobs.viewership.uploads.values.column import Cells, Distinct
from shared.secrets import remember

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJVadQssw5c"


def named(text: str) -> str:
    return Distinct.of(Cells(pl.Series([text]))).named(0)


def test_a_long_value_is_cut() -> None:
    assert named("x" * 40) == f"'{'x' * 40}' in line 1"
    assert named("x" * 41) == f"'{'x' * 39}\N{HORIZONTAL ELLIPSIS}' in line 1"


@pytest.mark.parametrize("text", [JWT, "a note: " + "Vq7" * 20])
def test_no_half_of_a_secret_is_shown(text: str) -> None:
    remember("Vq7" * 20)
    assert "eyJ" not in named(text)
    assert "Vq7" not in named(text)
