"""The RayJob's uid, stored with the stage that its driver opens."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import pytest

from shared.ledger import open_stage
from shared.ledger.rayjob import record_rayjob
from tests.postgres_server import database, postgres  # noqa: F401

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]


def test_the_uid_is_written_once_the_driver_has_opened_its_stage(database):
    settings = database.settings(run_id="r-1")
    assert record_rayjob(settings, "r-1", "extract", "uid-1") is False
    with open_stage(settings, pipeline="gamedata", stage="extract", order=2):
        assert record_rayjob(settings, "r-1", "manifest", "uid-1") is False
        assert record_rayjob(settings, "r-1", "extract", "uid-1") is True
    assert database.rows("SELECT stage, rayjob_uid FROM pipeline.run_stages") == [("extract", "uid-1")]
