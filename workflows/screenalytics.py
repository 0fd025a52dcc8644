"""The screenalytics workflow and its cron: ingest, the entrypoint replay, their forms and Secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hera.workflows import Task

from jobs.screenalytics.errors import CODES
from jobs.screenalytics.settings import IngestSettings, ReplaySettings
from shared.settings.base import ENCODED_SUFFIX
from workflows._lib.cron import Cron
from workflows._lib.dags import MAIN, main, stages
from workflows._lib.hooks import exit_templates
from workflows._lib.parameters import arguments, fields, form_names, from_form, passed
from workflows._lib.pipeline import Pipeline
from workflows._lib.retry import PROMPT
from workflows._lib.secrets import DATABASE, S3, SCREENALYTICS
from workflows._lib.step import step
from workflows._lib.template import workflow_template

if TYPE_CHECKING:
    from hera.workflows import Container, WorkflowTemplate

    from workflows._lib.parameters import Field, Source

__all__ = ["PIPELINE"]

_NAME: Final = "screenalytics"
_INGEST: Final = "ingest"
_REPLAY: Final = "replay"
# Both steps use this stage in the ledger and in the key of their report.
_STAGE: Final = "sync_screenalytics"
_HOUR: Final = 3600

# Credentials are in a secret, together with the outbox's URL.
_CREDENTIALS: Final = ("profile", "access-key-id")
# Parameters whose defaults are in the chart's values, because a cron passes no parameters.
_CONFIG: Final = {
    "bucket": "screenalytics-bucket",
    "prefix": "screenalytics-prefix",
    "artifact-roots": "screenalytics-artifact-roots",
    "auth": "screenalytics-auth",
    "outbox-table": "screenalytics-outbox-table",
}
_FORM: Final = fields(IngestSettings, without=_CREDENTIALS, from_config=_CONFIG)
# In `media` the chart's values decide whether to ingest, because an installation may have no such bucket. This template
# always ingests.
_BRANCH: Final = fields(
    IngestSettings, without=_CREDENTIALS, from_config=_CONFIG | {"enabled": "screenalytics-enabled"}
)
# Inputs of the entrypoint `replay`; all other settings are in the form of every run.
_REPLAY_FORM: Final = fields(ReplaySettings, only=("run", "all", "accept-changed"))
_READ: Final = fields(ReplaySettings, without=(*_CREDENTIALS, *(field.name for field in _REPLAY_FORM)))
_TYPED: Final[dict[Source, tuple[Field, ...]]] = {"workflow": _READ, "inputs": _REPLAY_FORM}

# A run that is not ready is retried later and does not count as a reject.
_REJECTS: Final = tuple(code for code, kind in CODES.items() if kind != "not_ready")

_COUNTS: Final = ("seen", "ingested", "unchanged", "replaced", "skipped", "deferred", "set-aside", "known", "events")
_SECRETS: Final = (DATABASE, S3, SCREENALYTICS)


def _build() -> WorkflowTemplate:
    """Return the WorkflowTemplate."""
    return workflow_template(
        _NAME,
        title="**screenalytics**: run manifests to runs and persons",
        description="Loads each run exactly once; a bad run blocks no others. The entrypoint `replay` retries runs.",
        entrypoint=MAIN,
        arguments=arguments(_FORM),
        templates=[
            main(_FORM, "Ingest, with the values of the form."),
            stages(_FORM, [Task(name=_INGEST, template=_INGEST, arguments=passed(_FORM, "inputs"))]),
            _ingest(),
            _replay(),
            *exit_templates(_NAME, {_NAME: _REJECTS}),
        ],
        # A hanging poll must not block later ones for days.
        deadline_s=4 * _HOUR,
    )


def _ingest() -> Container:
    return step(
        _INGEST,
        [_NAME, "ingest"],
        pipeline=_NAME,
        stage=_STAGE,
        title="Ingest",
        description="Reads the outbox's events, then lists the bucket. Writes each run in one transaction.",
        deadline_s=_HOUR,
        parameters=_FORM,
        counts=_COUNTS,
        secrets=_SECRETS,
        pauses=PROMPT,
        variables=form_names(_FORM),
    )


def _replay() -> Container:
    template = step(
        _REPLAY,
        [_NAME, "replay"],
        pipeline=_NAME,
        stage=_STAGE,
        title="Replay",
        description="Retries one run, or all that failed or were quarantined. Select it as the entrypoint.",
        deadline_s=_HOUR,
        counts=_COUNTS,
        secrets=_SECRETS,
        pauses=PROMPT,
        variables={
            field.variable + ENCODED_SUFFIX: from_form(source, field.name)
            for source, typed in _TYPED.items()
            for field in typed
        },
    )
    # An entrypoint has no caller: the form shows its inputs, with these defaults, below the Workflow's parameters.
    template.inputs = arguments(_REPLAY_FORM)
    return template


PIPELINE: Final = Pipeline(
    _NAME,
    _build,
    parameters=_BRANCH,
    codes=_REJECTS,
    crons=(
        Cron(
            "screenalytics-poll",
            schedule="*/15 * * * *",
            title="screenalytics, every 15 minutes",
            description="Ingests new runs: first those announced by outbox events, then those found in the bucket.",
            start_deadline_s=300,
            suspend=True,
            # Each poll fails while a bad run is being retried, and the good runs still need the next poll.
            stop=None,
        ),
    ),
)
