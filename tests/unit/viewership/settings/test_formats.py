"""Choices of how an upload is read, as flags give them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from jobs.viewership.settings.uploads import UploadSettings


@pytest.mark.parametrize(
    "choice",
    [
        {"sheet": "\udcff"},
        {"encoding": "\udcff"},
        {"delimiter": "\udcff"},
        {"map": ("hours=Watch \udcff",)},
        {"domain": "\udcff"},
        {"platform": "\udcff"},
    ],
    ids=lambda choice: next(iter(choice)),
)
def test_a_choice_that_is_not_utf_8_is_refused_before_it_is_stored(choice: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"UTF-8|unicode|lower-case letters"):
        UploadSettings(**choice)


def test_a_choice_in_any_script_is_accepted() -> None:
    assert UploadSettings(sheet="Données", map=("hours=再生時間",)).sheet == "Données"
