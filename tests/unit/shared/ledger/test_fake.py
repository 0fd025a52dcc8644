from __future__ import annotations

import inspect

import pytest

from shared.failure import Failure
from shared.ledger import Run, StageRun
from shared.progress import NullProgress
from shared.settings import StepSettings
from tests.fakes.ledger import MemoryRun, MemoryStageRun


@pytest.mark.parametrize(("real", "fake"), [(StageRun, MemoryStageRun), (Run, MemoryRun)])
def test_the_fake_takes_what_the_real_one_takes(real: type, fake: type):
    inner = {"fail", "conclude", "close"}
    for name, method in inspect.getmembers(real, inspect.isfunction):
        if not name.startswith("_") and name not in inner:
            assert list(inspect.signature(method).parameters) == list(inspect.signature(getattr(fake, name)).parameters)


def test_the_fake_has_the_attributes():
    real = StageRun(StepSettings(), run_id="r", pipeline="p", stage="s", attempt=1, progress=NullProgress())
    fake = MemoryStageRun()
    for name in vars(real):
        assert name.startswith("_") or hasattr(fake, name)


def test_the_fake_records_like_the_ledger():
    fake = MemoryStageRun()
    fake.record_errors([Failure("a", "x", "1"), Failure("a", "y", "2")])
    fake.record_errors([Failure("a", "x", "3")])
    assert [failure.message for failure in fake.errors] == ["3", "2"]
    with MemoryRun().stage("manifest", 3) as stage_run:
        stage_run.progress.start(2, "sessions")
        stage_run.progress.advance(failed=1)
    assert (stage_run.stage, stage_run.progress.done) == ("manifest", 1)
