"""`viewership run`: its stages in the ledger."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from jobs.viewership.settings.uploads import RunSettings
from jobs.viewership.steps import run
from shared.errors import StorageFull
from tests.fakes.ledger import MemoryRun, MemoryStageRun


def full(*_):
    raise OSError(28, "No space left on device")


def test_a_full_disk_ends_its_stage_as_an_error_that_a_retry_may_settle(monkeypatch):
    """The ledger records what leaves the stage: it would call an OSError a bug."""
    ledger = MemoryRun(pipeline="viewership")
    monkeypatch.setattr(run, "open_run", lambda *_, **__: nullcontext(ledger))
    monkeypatch.setattr(run, "take_files", full)
    with pytest.raises(StorageFull):
        run.run(RunSettings(), MemoryStageRun(pipeline="viewership"))
    assert [stage.stage for stage in ledger.stages] == ["upload"]
