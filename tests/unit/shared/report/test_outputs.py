"""Output parameters: what Argo reads after a step, however it ended."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest

from shared.report import Report, outputs
from shared.step.execute import execute
from tests.fakes.steps import STEP

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TELECINE_OUTPUTS_DIR", str(tmp_path / "outputs" / "parameters"))
    return tmp_path / "outputs" / "parameters"


def read(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_every_count_is_a_parameter(folder):
    outputs.write(
        Report(
            status="partial",
            items=5,
            seconds=1.23456,
            counts={"extract.done_before": 2, "failed": 3},
            rejects={"tar_corrupt": 1, "tar_empty": 2, "a_code": 1},
        )
    )
    found = read(folder)
    assert json.loads(found.pop("rejects")) == [
        {"code": "tar_empty", "count": 2},
        {"code": "a_code", "count": 1},
        {"code": "tar_corrupt", "count": 1},
    ]
    assert found == {
        "extract-done-before": "2",
        "failed": "3",
        "items": "5",
        "seconds": "1.235",
        "status": "partial",
    }


@pytest.mark.parametrize(
    ("what", "status", "items", "failed"),
    [("fine", "success", "1", "0"), ("partial", "partial", "1", "1"), ("transient", "failed", "0", "1")],
)
def test_a_step_leaves_them_after_success_and_after_failure(folder, what, status, items, failed):
    execute(STEP, ["--what", what])
    found = read(folder)
    assert (found["status"], found["items"], found["failed"]) == (status, items, failed)
    assert float(found["seconds"]) >= 0


def test_a_step_that_does_not_begin_leaves_them_too(folder):
    assert execute(STEP, ["--what", "nonsense"]) == 2
    assert read(folder) == {"status": "failed", "items": "0", "failed": "0", "seconds": "0", "rejects": "[]"}


def test_those_of_a_try_before_do_not_stay(folder):
    assert execute(STEP, []) == 0
    assert execute(dataclasses.replace(STEP, run="tests.fakes.steps:nothing"), ["--what", "nonsense"]) == 2
    assert read(folder)["status"] == "failed"


def test_nothing_is_written_where_nothing_asks(folder, monkeypatch):
    monkeypatch.delenv("TELECINE_OUTPUTS_DIR")
    execute(STEP, [])
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_changes_no_exit_code(folder):
    folder.parent.mkdir()
    folder.write_text("a file")
    assert execute(STEP, []) == 0


@pytest.mark.parametrize("name", ["/tmp/x", "../x", "a/b", "", ".", "x\n"])
def test_a_count_with_a_bad_name_writes_no_file(folder, name):
    outputs.put({name: "1", "good": "2"})
    assert read(folder) == {"good": "2"}
    assert sorted(path.name for path in folder.parent.parent.rglob("*")) == ["good", "outputs", "parameters"]
