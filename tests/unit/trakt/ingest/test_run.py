"""A run of the ingest: what it refuses before it reads anything."""

from __future__ import annotations

import pytest

from jobs.trakt.bronze.pages import check_load_id
from jobs.trakt.ingest.run import LONGEST_RUN_ID, read_titles
from jobs.trakt.settings import IngestSettings
from shared.errors import UsageError
from tests.fakes.ledger import MemoryStageRun


def test_a_run_id_that_is_too_long_for_a_load_is_refused_before_a_request(tmp_path):
    settings = IngestSettings(
        database_url="postgresql://telecine@127.0.0.1:1/telecine", bucket=f"file://{tmp_path}", titles=("movie:id:1",)
    )
    with pytest.raises(UsageError, match=r"run id 'aaa.*has 95 characters; expected at most 94") as raised:
        read_titles(settings, MemoryStageRun("a" * 95, "trakt", "ingest"))
    assert raised.value.exit_code == 2


def test_the_longest_run_id_has_room_for_a_hundred_thousand_loads():
    assert check_load_id(f"{'a' * LONGEST_RUN_ID}-{99_999:04}")
