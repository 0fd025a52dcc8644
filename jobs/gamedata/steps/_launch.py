"""The launcher side of extract: create a Ray cluster only if a TAR is to be read, and reject local paths."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, cast

from jobs.gamedata.extraction.estimate import choose, cpu_seconds
from jobs.gamedata.extraction.worklist import make_worklist
from jobs.gamedata.steps._parameters import check_device, local_paths
from shared.errors import UsageError
from shared.rayjob.step import RayStep
from shared.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from jobs.gamedata.extraction.estimate import Place
    from jobs.gamedata.settings import ExtractSettings
    from shared.ledger import StageRun
    from shared.report import Report

    Run = Callable[[ExtractSettings, StageRun], Report]

__all__ = ["launch", "launch_with"]

_LOG: Final = logging.getLogger(__name__)


def launch(settings: ExtractSettings) -> Run | None:
    """Return the function that runs extract on a Ray cluster, or None to run it here, because there is nothing to read.

    With ``--compute auto``, None also means that there is little to read. In Argo, the plan step has already decided.

    Args:
        settings: settings with a ``compute`` other than local.

    Raises:
        UsageError: a path that pods cannot reach, or a device that they do not have.
        ConfigurationError: the cluster cannot be reached, or a bucket is missing.
    """
    return launch_with(settings, RayStep)


def launch_with(settings: ExtractSettings, make_step: Callable[..., RayStep]) -> Run | None:
    """Do the same as :func:`launch`, with another implementation of the step."""
    if settings.compute == "auto":
        chosen = _choose(settings)
        if chosen == "local":
            return None
        settings = settings.model_copy(update={"compute": chosen})
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


def _choose(settings: ExtractSettings) -> Place:
    if local_paths(settings):
        return "local"
    source = open_store(settings.source_bucket, settings)
    target = open_store(settings.manifest_bucket, settings, create=True)
    choice = choose(settings, cpu_seconds(settings, make_worklist(settings, source, target).items))
    _LOG.info("--compute auto: %s", choice.reason)
    return choice.compute


def _reject_local_paths(settings: ExtractSettings) -> None:
    for flag, uri in local_paths(settings).items():
        raise UsageError(
            f"{flag} {uri}: pods cannot read this with --compute {settings.compute}; expected s3://… "
            "(a folder on this machine needs --compute local)"
        )
