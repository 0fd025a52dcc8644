"""The steps: templates of ``ingest`` and ``backfill``, which share the quota of the key, ``model`` and ``publish``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.errors import EXIT_DATA, EXIT_OK, EXIT_TRANSIENT
from workflows._lib.metrics import step_metrics
from workflows._lib.parameters import form_names
from workflows._lib.retry import PATIENT, PROMPT
from workflows._lib.secrets import DATABASE, NOTIFY, S3, TRAKT, TRAKT_USERS
from workflows._lib.step import SMALL, Size, step
from workflows._lib.synchronization import one_mutex
from workflows._lib.variables import exit_code_of, expression, parameter
from workflows.trakt.forms import BACKFILL, INGEST, MODEL, PUBLISH, SLO
from workflows.trakt.gauges import COUNTS, gauges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hera.workflows import Container

    from workflows._lib.parameters import Field

__all__ = ["backfill", "has_read", "ingest", "model", "publish", "slo"]

_PIPELINE: Final = "trakt"
_MINUTE: Final = 60
_HOUR: Final = 3600

# Two processes with one key share its quota in the database. Of two pods, one would mostly wait: it waits here instead,
# without holding memory. There is one key per installation, so there is one mutex.
_QUOTA: Final = "trakt-quota"

# A commit of 250,000 comments takes 0.5 GB of memory; page objects are sent to the store as they arrive.
_READER: Final = Size("100m", "384Mi", "1", "1536Mi", tmp="2Gi", storage="64Mi", storage_limit="3Gi")
# Models over a million comments: 1 GB in DuckDB and dbt; its Parquet files and the DuckDB file are in /tmp.
_MODELLER: Final = Size("500m", "1Gi", "2", "2Gi", tmp="8Gi", storage="256Mi", storage_limit="10Gi")
# Gold of 2,000 titles and a year of days is below 1 GB.
_PUBLISHER: Final = Size("100m", "256Mi", "1", "1Gi", tmp="2Gi", storage="64Mi", storage_limit="3Gi")


def has_read(task: str) -> str:
    """Return the condition under which the models run after ``ingest`` or ``backfill``.

    They also run after bad items or failed titles (65), and after an API that stopped answering (75): what had arrived
    until then is committed. They do not run after a dry run, or if an operator must act first.

    Args:
        task: the task that reads the API.
    """
    codes = [str(code) for code in (EXIT_OK, EXIT_DATA, EXIT_TRANSIENT)]
    wet = f"sprig.b64dec({parameter('inputs', 'dry-run', in_expression=True)}) != 'true'"
    return expression(f"{exit_code_of(task)} in {codes} and {wet}")


def ingest(form: Sequence[Field]) -> Container:
    """Return the step that asks for what has changed.

    Args:
        form: form of the Workflow, to detect unknown parameters.
    """
    return step(
        "ingest",
        [_PIPELINE, "ingest"],
        pipeline=_PIPELINE,
        stage="ingest",
        title="Ingest",
        description="Asks for what has changed, and each title in full once in some days. Waits for the key's quota.",
        # 9,000 requests fit into 90 minutes.
        deadline_s=90 * _MINUTE,
        size=_READER,
        parameters=INGEST,
        secrets=(DATABASE, S3, TRAKT, TRAKT_USERS),
        pauses=PATIENT,
        variables=form_names(form),
        synchronization=one_mutex(_QUOTA),
    )


def backfill(form: Sequence[Field], pipeline: str) -> Container:
    """Return the step that reads titles in full.

    Args:
        form: form of the Workflow, to detect unknown parameters.
        pipeline: name of the WorkflowTemplate, for labels.
    """
    return step(
        "backfill",
        [_PIPELINE, "backfill"],
        pipeline=pipeline,
        stage="backfill",
        title="Backfill",
        description="Reads titles in full, and resumes where it was interrupted. Waits for the key's quota.",
        deadline_s=18 * _HOUR,
        size=_READER,
        parameters=BACKFILL,
        secrets=(DATABASE, S3, TRAKT, TRAKT_USERS),
        pauses=PATIENT,
        variables=form_names(form),
        synchronization=one_mutex(_QUOTA),
    )


def model(pipeline: str = _PIPELINE, parameters: Sequence[Field] = MODEL) -> Container:
    """Return the step that builds silver and gold.

    Args:
        pipeline: name of the WorkflowTemplate, for labels.
        parameters: its settings.
    """
    return step(
        "model",
        [_PIPELINE, "model"],
        pipeline=pipeline,
        stage="model",
        title="Model",
        description="Builds and tests silver and gold with dbt, from the loads that it has not taken yet.",
        deadline_s=_HOUR,
        size=_MODELLER,
        parameters=parameters,
        secrets=(DATABASE, S3, TRAKT_USERS),
    )


def publish(pipeline: str = _PIPELINE) -> Container:
    """Return the step that copies gold to PostgreSQL.

    Args:
        pipeline: name of the WorkflowTemplate, for labels.
    """
    return step(
        "publish",
        [_PIPELINE, "publish"],
        pipeline=pipeline,
        stage="publish",
        title="Publish",
        description="Copies gold to PostgreSQL, all tables in one transaction.",
        deadline_s=30 * _MINUTE,
        size=_PUBLISHER,
        parameters=PUBLISH,
    )


def slo() -> Container:
    """Return the step that measures the service levels and sets the gauges for alerts."""
    return step(
        "slo",
        [_PIPELINE, "slo"],
        pipeline=_PIPELINE,
        stage="slo",
        title="Service levels",
        description="Measures freshness and pages of the day, writes the page, sends alerts and sets their gauges.",
        deadline_s=10 * _MINUTE,
        size=SMALL,
        parameters=SLO,
        counts=COUNTS,
        # It reads the ledger only, and announces alerts itself: a missed objective does not fail the run.
        secrets=(DATABASE, NOTIFY),
        metrics=step_metrics(_PIPELINE, "slo", *gauges(_PIPELINE)),
        pauses=PROMPT,
    )
