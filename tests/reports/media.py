"""The report of media: the index of a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from unittest.mock import patch

from jobs.media.settings import PublishSettings
from jobs.media.steps import publish
from shared.failure import Failure
from shared.ledger.history import RunRow, StageRow
from tests.fakes.ledger import MemoryStageRun
from tests.reports.names import MESSAGE, NAMES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shared.report import Report

__all__ = ["REPORTS"]

_BEGIN = datetime(2026, 11, 30, 3, 0, tzinfo=UTC)
_STAGES = (
    ("plan", "gamedata", "success", 0, 4.0),
    ("extract", "gamedata", "partial", 6, 2_410.0),
    ("manifest", "gamedata", "success", 2_420, 35.0),
    ("match", "viewership", "failed", 8, 61.0),
    ("sync_screenalytics", "screenalytics", "success", 8, 12.0),
    ("publish_trakt", "trakt", "running", 2_470, 3.0),
)


def _stage(order: int, stage: tuple[str, str, str, int, float]) -> StageRow:
    name, pipeline, status, at, seconds = stage
    failed = status == "failed"
    return StageRow(
        stage=name,
        order=order,
        pipeline=pipeline,
        status=status,
        attempt=1,
        started_at=_BEGIN + timedelta(seconds=at),
        seconds=seconds,
        counts={"items": 12_345, "bytes_read": 48_000_000},
        exit_code=65 if failed else 0,
        input_hash=None,
        output_hash=None,
        manifest_key=f"s3://a-bucket/{'prefix/' * 8}{name}",
        error_message=MESSAGE if failed else None,
        error_details=None,
        failed_items=60 if failed else 0,
        changed=None,
    )


def _publish(_: Path) -> Report:
    rows = [_stage(order, stage) for order, stage in enumerate(_STAGES, 1)]
    run = RunRow("run-1", "media", "failed", _BEGIN, 2_480.0, "match", MESSAGE, {}, "0.1.0", "pod-0")
    failures = [Failure(name, "BUCKET_FAILED", MESSAGE) for name in NAMES]
    with (
        patch("shared.ledger.history.show_run", return_value=(run, rows)),
        patch("shared.ledger.history.failed_items", return_value=failures),
    ):
        return publish.run(PublishSettings(), MemoryStageRun(pipeline="media", stage="index"))  # type: ignore[arg-type]


REPORTS: dict[str, Callable[[Path], Report]] = {"publish": _publish}
