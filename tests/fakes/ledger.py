"""A ledger in memory, with the attributes that steps use of `shared.ledger.StageRun` and `shared.ledger.Run`."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.progress import NullProgress, Progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shared.failure import Failure

__all__ = ["MemoryProgress", "MemoryRun", "MemoryStageRun"]


class MemoryProgress(NullProgress):
    """Counts as the real one does, shows nothing: `total`, `unit`, `done`, `counts`; and `finished`."""

    finished = False

    def finish(self) -> None:
        super().finish()
        self.finished = True


@dataclass
class MemoryStageRun:
    """The stage run passed to a step's `run(settings, stage_run)`. `errors` and `report` hold what was recorded.

    `exit_code` is 75, as in the real one, if the database was lost during the run, else 0.
    """

    run_id: str = "00000000-0000-7000-8000-000000000000"
    pipeline: str = "gamedata"
    stage: str = "extract"
    attempt: int = 1
    progress: Progress = field(default_factory=MemoryProgress)
    errors: list[Failure] = field(default_factory=list)
    report: Any = None
    exit_code: int = 0
    began: float = field(default_factory=time.monotonic)
    seconds: float | None = None

    def record_errors(self, failures: Iterable[Failure]) -> None:
        known = {(failure.item, failure.code): failure for failure in self.errors}
        known.update({(failure.item, failure.code): failure for failure in failures})
        self.errors = list(known.values())

    def finish(self, report: Any, *, output_hash: str | None = None, manifest_key: str | None = None) -> None:
        self.report = report


@dataclass
class MemoryRun:
    """A run of several stages, as `shared.ledger.open_run` returns it."""

    run_id: str = "00000000-0000-7000-8000-000000000000"
    pipeline: str = "gamedata"
    stages: list[MemoryStageRun] = field(default_factory=list)
    exit_code: int = 0

    @contextmanager
    def stage(
        self,
        name: str,
        order: int,
        *,
        pipeline: str | None = None,
        parameters: Any = None,
        input_hash: str | None = None,
        progress: Progress | None = None,
        started_at: Any = None,
    ) -> Iterator[MemoryStageRun]:
        stage_run = MemoryStageRun(run_id=self.run_id, pipeline=pipeline or self.pipeline, stage=name)
        self.stages.append(stage_run)
        yield stage_run
