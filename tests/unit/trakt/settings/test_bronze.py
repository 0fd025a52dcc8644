"""The user to erase: a name, and never told."""

from __future__ import annotations

import pytest

from jobs.trakt.settings import EraseSettings, SloSettings
from shared.errors import UsageError
from shared.settings.command import parse


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\x1b[31m", "a\udcff"])
def test_a_value_that_is_not_a_name_is_refused_and_not_shown(name: str):
    with pytest.raises(UsageError, match="expected the name or slug") as caught:
        parse(EraseSettings, "telecine trakt erase", "Erase.", ["--user", name])
    assert "[31m" not in str(caught.value)


@pytest.mark.parametrize("name", ["ann-b", "Ann B", "J\u00f6rg", "\u5f20\u4f1f", "a" * 300])
def test_a_name_in_any_script_is_taken(name: str):
    found = parse(EraseSettings, "telecine trakt erase", "Erase.", ["--user", name])
    assert found.user.get_secret_value() == name


@pytest.mark.parametrize("day", ["0001-01-01", "2009-12-31"])
def test_a_day_before_the_service_began_is_refused(day: str):
    with pytest.raises(UsageError, match="2010-01-01"):
        parse(SloSettings, "telecine trakt slo", "Measure.", ["--day", day])
