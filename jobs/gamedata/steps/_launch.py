"""The launcher's side of extract: decides whether there is work for a Ray cluster, and what can reach it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from jobs.gamedata.extraction.worklist import make_worklist
from shared.errors import UsageError
from shared.rayjob.step import RayStep
from shared.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from jobs.gamedata.settings import ExtractSettings
    from shared.ledger import StageRun
    from shared.report import Report

    Run = Callable[[ExtractSettings, StageRun], Report]

__all__ = ["launch", "launch_with"]


def launch(settings: ExtractSettings) -> Run | None:
    """Return what runs extract on a Ray cluster; None where there is nothing to read.

    Args:
        settings: with a ``compute`` other than local.

    Raises:
        UsageError: a place that no pod can reach.
        ConfigurationError: no way to a cluster, or a bucket is missing.
    """
    return launch_with(settings, RayStep)


def launch_with(settings: ExtractSettings, make_step: Callable[..., RayStep]) -> Run | None:
    """Launch with another cluster; see :func:`launch`."""
    _refuse_local_places(settings)
    compute = cast("Literal['cpu', 'gpu', 'mixed']", settings.compute)
    step = make_step(settings, pipeline="gamedata", step="extract", compute=compute)
    # One that has succeeded left nothing to read, and its report is this step's.
    if not step.is_there():
        source = open_store(settings.source_bucket, settings)
        target = open_store(settings.manifest_bucket, settings)
        if not make_worklist(settings, source, target).items:
            return None
    return step.run


def _refuse_local_places(settings: ExtractSettings) -> None:
    places = {
        "--source-bucket": settings.source_bucket,
        "--manifest-bucket": settings.manifest_bucket,
        "--task-list": settings.task_list,
    }
    for flag, place in places.items():
        if place is not None and not place.startswith("s3://"):
            raise UsageError(
                f"{flag} {place}: with --compute {settings.compute} pods read it; valid is s3://… "
                "(a folder of this machine needs --compute local)"
            )
