"""The source of a table's rows: one of Trakt and a replayer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobs.trakt.bronze.commit import commit_load
from jobs.trakt.bronze.source import check_source, source_of
from jobs.trakt.bronze.table import create_table
from shared.errors import UsageError
from tests.trakt_answers import comment
from tests.trakt_bronze import comments_page, plain_place

if TYPE_CHECKING:
    from pathlib import Path


def test_a_table_without_rows_takes_either_source(tmp_path: Path):
    place = plain_place(tmp_path)
    for _ in range(2):
        assert source_of(place) is None
        check_source(place, "trakt")
        check_source(place, "replay")
        create_table(place)


def test_a_table_with_rows_of_one_source_refuses_the_other_and_names_the_bucket(tmp_path: Path):
    place = plain_place(tmp_path)
    place.pages.put(comments_page("load-1", [comment(id=1)]))
    commit_load(place, "load-1")
    assert source_of(place) == "replay"
    check_source(place, "replay")
    with pytest.raises(UsageError, match=r"source system replay; expected trakt, .*pass another --bucket") as caught:
        check_source(place, "trakt")
    assert caught.value.exit_code == 2
    assert str(tmp_path) in caught.value.message
