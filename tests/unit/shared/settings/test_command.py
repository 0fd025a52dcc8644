"""Settings of a command that is started without arguments, as in a pod."""

from __future__ import annotations

import pytest
import typer

from jobs.gamedata.settings import PlanSettings
from jobs.viewership.settings.uploads import RetractSettings
from shared.errors import UsageError
from shared.settings.command import parse


def test_without_words_typer_is_not_asked(monkeypatch):
    monkeypatch.setattr(typer, "Typer", None)
    monkeypatch.setenv("TELECINE_GAMEDATA_OUTPUT_PATH", "s3://b/a.parquet")
    monkeypatch.setenv("TELECINE_GAMEDATA_PREFIX", "some/")
    assert parse(PlanSettings, "telecine gamedata plan", "", ()).prefix == "some/"
    with pytest.raises(TypeError):
        parse(PlanSettings, "telecine gamedata plan", "", ["--prefix", "other/"])


def test_without_words_a_missing_argument_is_named():
    with pytest.raises(UsageError, match=r"^telecine viewership retract: \S+ is (missing|required)"):
        parse(RetractSettings, "telecine viewership retract", "", ())
