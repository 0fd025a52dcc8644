"""A path that is not a file is explained by what is there, except in folders of secrets."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from shared.secrets import FOLDER_VARIABLE
from shared.storage import misnamed

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = (".csv", ".xlsx")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("my reports/philo-july.csv", "my reports/roku.XLSX", "my reports/~$roku.xlsx", "empty/.hidden.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def said(place: str, *, several: bool = True) -> str | None:
    return misnamed(place, expected="a report", suffixes=SUFFIXES, command="telecine x --by ann", several=several)


def test_a_folder_leads_to_the_command_for_its_files(folder: Path) -> None:
    begins = "'my reports' is a folder; expected a report; run `telecine x --by ann "
    assert said("my reports") == f"{begins}'my reports/'*.XLSX 'my reports/'*.csv`"
    assert said("my reports", several=False) == f"{begins}'my reports/philo-july.csv'`"
    text = said(str(folder))
    assert text is not None
    assert text.endswith("/FOLDER/*` with one of these folders: empty, my reports")
    assert said("empty") == "'empty' is a folder; expected a report; it has none"


def test_a_misspelled_name_leads_to_the_nearest(folder: Path) -> None:
    begins = "does not exist; expected a report"
    assert said("./my reports/philo-juli.csv") == (
        f"'./my reports/philo-juli.csv' {begins}; did you mean './my reports/philo-july.csv'?"
    )
    assert said("my reports/roku.csv") == f"'my reports/roku.csv' {begins}; did you mean 'my reports/roku.XLSX'?"
    # A common suffix alone does not make names similar.
    assert said("my reports/x.csv") == f"'my reports/x.csv' {begins}"
    assert said("nowhere/x.csv") == f"'nowhere/x.csv' {begins}; the folder 'nowhere' does not exist either"


def test_a_file_and_an_impossible_name_are_left_to_the_caller(folder: Path) -> None:
    (folder / "link").symlink_to("gone")
    assert [said(place) for place in ("my reports/philo-july.csv", "link", "x" * 5000)] == [None] * 3
    assert said("a\0b") == "'a\\x00b' does not exist; expected a report"


@pytest.mark.parametrize("place", ["secret", "secret/kex", "secret/deeper"])
def test_names_of_secrets_are_not_shown(folder: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    (folder / "secret/deeper").mkdir(parents=True)
    (folder / "secret/key.csv").touch()
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder / "secret"))
    assert "key" not in str(said(place))
    assert "deeper" not in str(said(place)).replace("secret/deeper", "")


def test_a_name_that_looks_like_a_flag_or_hides_text_stays_a_path(folder: Path) -> None:
    for name in ("--yes", "a\nb\u202e"):
        (folder / name).mkdir()
        (folder / name / "r.csv").touch()
    text = str(said("--yes"))
    assert shlex.split(text.split("`")[1])[4] == "./--yes/*.csv"
    assert str(said("a\nb\u202e")).isprintable()
