"""The launcher side of extract: create a Ray cluster only if a TAR is to be read, and reject local paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from jobs.gamedata.extraction.worklist import make_worklist
from jobs.gamedata.steps._parameters import check_device
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
    """Return the function that runs extract on a Ray cluster, or None if there is nothing to read.

    Args:
        settings: settings with a ``compute`` other than local.

    Raises:
        UsageError: a path that pods cannot reach, or a device that they do not have.
        ConfigurationError: the cluster cannot be reached, or a bucket is missing.
    """
    return launch_with(settings, RayStep)


def launch_with(settings: ExtractSettings, make_step: Callable[..., RayStep]) -> Run | None:
    """Do the same as :func:`launch`, with another implementation of the step."""
    _reject_local_paths(settings)
    check_device(settings.compute, settings.device)
    compute = cast("Literal['cpu', 'gpu', 'mixed']", settings.compute)
    step = make_step(settings, pipeline="gamedata", step="extract", compute=compute)
    # An earlier launch may have created the RayJob. If it has succeeded, nothing is left to read, but its report is
    # still the report of this step.
    if not step.is_there():
        source = open_store(settings.source_bucket, settings)
        target = open_store(settings.manifest_bucket, settings)
        if not make_worklist(settings, source, target).items:
            return None
    return step.run


def _reject_local_paths(settings: ExtractSettings) -> None:
    uris = {
        "--source-bucket": settings.source_bucket,
        "--manifest-bucket": settings.manifest_bucket,
        "--task-list": settings.task_list,
    }
    for flag, uri in uris.items():
        if uri is not None and not uri.startswith("s3://"):
            raise UsageError(
                f"{flag} {uri}: pods cannot read this with --compute {settings.compute}; expected s3://… "
                "(a folder of this machine needs --compute local)"
            )
