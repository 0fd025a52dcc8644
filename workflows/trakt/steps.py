"""The steps: ``ingest`` and ``backfill``, which share the quota of the key, ``model``, ``publish`` and ``slo``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workflows._lib.metrics import step_metrics
from workflows._lib.names import TRAKT_ACCOUNT
from workflows._lib.parameters import form_names
from workflows._lib.retry import PATIENT, PROMPT
from workflows._lib.secrets import DATABASE, NOTIFY, S3, TRAKT, TRAKT_USERS
from workflows._lib.step import SMALL, Size, step
from workflows._lib.synchronization import one_mutex
from workflows.trakt.forms import BACKFILL, INGEST, MODEL, PUBLISH, SLO
from workflows.trakt.gauges import COUNTS, gauges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hera.workflows import Container
    from hera.workflows.models import Metrics, Synchronization

    from workflows._lib.parameters import Field
    from workflows._lib.retry import Pauses
    from workflows._lib.secrets import MountedSecret

__all__ = ["backfill", "ingest", "model", "publish", "slo"]

_PIPELINE: Final = "trakt"
_MINUTE: Final = 60
_HOUR: Final = 3600

# Processes with the same key share its quota in the database, so one of two pods would mostly wait. The mutex makes it
# wait before it starts, without holding memory. There is one key per installation, so there is one mutex.
_QUOTA: Final = "trakt-quota"

# A commit of 250,000 comments takes 0.5 GB of memory; page objects are sent to the store as they arrive.
_READER: Final = Size("100m", "384Mi", "1", "1536Mi", tmp="2Gi", storage="64Mi", storage_limit="3Gi")
# Models of a million comments take 1 GB in DuckDB and dbt; the Parquet files and the DuckDB file are in /tmp.
_MODELLER: Final = Size("500m", "1Gi", "2", "2Gi", tmp="8Gi", storage="256Mi", storage_limit="10Gi")
# A year of gold for 2,000 titles takes less than 1 GB.
_PUBLISHER: Final = Size("100m", "256Mi", "1", "1Gi", tmp="2Gi", storage="64Mi", storage_limit="3Gi")


def ingest(form: Sequence[Field]) -> Container:
    """Return the step that reads what has changed.

    Args:
        form: form of the Workflow, to detect unknown parameters.
    """
    return _reader(
        "ingest",
        title="Ingest",
        description="Reads what has changed, and each title in full every few days. Waits for the key's quota.",
        # 9,000 requests fit into 90 minutes.
        deadline_s=90 * _MINUTE,
        parameters=INGEST,
        form=form,
    )


def backfill(form: Sequence[Field], pipeline: str) -> Container:
    """Return the step that reads titles in full.

    Args:
        form: form of the Workflow, to detect unknown parameters.
        pipeline: name of the WorkflowTemplate, for labels.
    """
    return _reader(
        "backfill",
        title="Backfill",
        description="Reads titles in full, and resumes where it was interrupted. Waits for the key's quota.",
        deadline_s=18 * _HOUR,
        parameters=BACKFILL,
        form=form,
        pipeline=pipeline,
    )


def model(pipeline: str = _PIPELINE, parameters: Sequence[Field] = MODEL) -> Container:
    """Return the step that builds silver and gold.

    Args:
        pipeline: name of the WorkflowTemplate, for labels.
        parameters: its settings.
    """
    return _step(
        "model",
        title="Model",
        description="Builds and tests silver and gold with dbt, from the loads not processed yet.",
        deadline_s=_HOUR,
        size=_MODELLER,
        parameters=parameters,
        secrets=(DATABASE, S3, TRAKT_USERS),
        pipeline=pipeline,
    )


def publish(pipeline: str = _PIPELINE) -> Container:
    """Return the step that copies gold to PostgreSQL.

    Args:
        pipeline: name of the WorkflowTemplate, for labels.
    """
    return _step(
        "publish",
        # Not `publish`: in a run of media, the publish step of gamedata has a report of that name.
        stage="publish_trakt",
        title="Publish",
        description="Copies gold to PostgreSQL, all tables in one transaction.",
        deadline_s=30 * _MINUTE,
        size=_PUBLISHER,
        parameters=PUBLISH,
        secrets=(DATABASE, S3),
        pipeline=pipeline,
    )


def slo() -> Container:
    """Return the step that measures the service levels and sets the gauges for alerts."""
    return _step(
        "slo",
        title="Service levels",
        description="Measures the day's freshness and pages, writes a report, sends alerts and sets their gauges.",
        deadline_s=10 * _MINUTE,
        size=SMALL,
        parameters=SLO,
        # It reads only the ledger. It sends alerts itself, because a missed objective does not fail the run.
        secrets=(DATABASE, NOTIFY),
        counts=COUNTS,
        metrics=step_metrics(_PIPELINE, "slo", *gauges(_PIPELINE)),
        pauses=PROMPT,
    )


def _reader(
    name: str,
    *,
    title: str,
    description: str,
    deadline_s: int,
    parameters: Sequence[Field],
    form: Sequence[Field],
    pipeline: str = _PIPELINE,
) -> Container:
    """Return a step that sends API requests: it has the key, and holds the mutex of the key's quota."""
    return _step(
        name,
        title=title,
        description=description,
        deadline_s=deadline_s,
        size=_READER,
        parameters=parameters,
        secrets=(DATABASE, S3, TRAKT, TRAKT_USERS),
        pipeline=pipeline,
        variables=form_names(form),
        synchronization=one_mutex(_QUOTA),
    )


def _step(
    name: str,
    *,
    stage: str | None = None,
    title: str,
    description: str,
    deadline_s: int,
    size: Size,
    parameters: Sequence[Field],
    secrets: tuple[MountedSecret, ...],
    pipeline: str = _PIPELINE,
    counts: tuple[str, ...] = (),
    metrics: Metrics | None = None,
    pauses: Pauses = PATIENT,
    variables: dict[str, str] | None = None,
    synchronization: Synchronization | None = None,
) -> Container:
    """Return the step that runs ``telecine trakt NAME``, in any WorkflowTemplate of the pipeline."""
    return step(
        name,
        [_PIPELINE, name],
        pipeline=pipeline,
        stage=stage or name,
        title=title,
        description=description,
        deadline_s=deadline_s,
        size=size,
        parameters=parameters,
        counts=counts,
        account=TRAKT_ACCOUNT,
        secrets=secrets,
        metrics=metrics,
        pauses=pauses,
        variables=variables,
        synchronization=synchronization,
    )
