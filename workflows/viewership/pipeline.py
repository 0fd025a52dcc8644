"""The WorkflowTemplate ``viewership`` and its cron: upload, normalize, match, load, verify; gauges for alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hera.workflows import Task

from jobs.viewership.settings.audit import VerifySettings
from jobs.viewership.settings.uploads import RunSettings
from shared.errors import EXIT_DATA, EXIT_OK
from workflows._lib.cron import Cron
from workflows._lib.dags import MAIN, main, stages
from workflows._lib.hooks import exit_templates
from workflows._lib.metrics import gauge, step_metrics
from workflows._lib.names import STEP_ACCOUNT, UPLOAD_ACCOUNT
from workflows._lib.parameters import arguments, fields, form_names, passed
from workflows._lib.pipeline import Pipeline
from workflows._lib.retry import PROMPT
from workflows._lib.secrets import DATABASE, NOTIFY, VIEWERSHIP
from workflows._lib.step import SMALL, Size, step
from workflows._lib.switch import IS_ENABLED, enabled
from workflows._lib.template import workflow_template
from workflows._lib.variables import UID, exit_code_of, expression, output_of, tag
from workflows.viewership.changes import CHANGES
from workflows.viewership.common import CODES, HOUR, LARGE, NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hera.workflows import DAG, Container, WorkflowTemplate
    from hera.workflows.models import Metrics, Prometheus

    from workflows._lib.parameters import Field
    from workflows._lib.secrets import MountedSecret

__all__ = ["PIPELINE"]

_UPLOAD: Final = "upload"

# Secrets, and what is part of the installation: a form must not name folders of the pod.
_EXCLUDED: Final = ("outbox-url", "formats-dir")
# Parameters whose defaults are in the chart's values, because a cron passes no parameters.
_CONFIG: Final = {
    "bucket": "viewership-bucket",
    "prefix": "viewership-prefix",
    "outbox-table": "viewership-outbox-table",
    "event-overlap": "viewership-event-overlap",
    "max-rejected": "viewership-max-rejected",
    "one-pod-mb": "viewership-one-pod-mb",
}
# On a laptop, one process does everything.
_IN_A_CLUSTER: Final = {"one-pod-mb": "200"}
_RUN: Final = fields(RunSettings, without=_EXCLUDED, values=_IN_A_CLUSTER, from_config=_CONFIG)


# Verify reads the sizes of the raw files.
_BUCKET: Final = fields(VerifySettings, only=("bucket",))

_FORM: Final = (*_RUN, enabled())
# In `media` the chart's values decide whether to run, because an installation may have no such bucket.
_BRANCH: Final = (*_RUN, enabled("viewership-enabled"))

(_OF_RUN,) = VerifySettings.variables("of_run")

_FATES: Final = ("final", "review", "unmatched", "held", "rejected", "filtered", "topline")
# Counts of `verify` that are gauges: the rows of the last day, the oldest review, and uploads that wait.
_GAUGES: Final = (*(f"day-{fate}" for fate in _FATES), "oldest-review-s", "needs-choice")


def _build() -> WorkflowTemplate:
    """Return the WorkflowTemplate."""
    return workflow_template(
        NAME,
        title="**viewership**: platform reports to final rows",
        description="Takes the named files, or those that have arrived. A bad file does not block the others.",
        entrypoint=MAIN,
        arguments=arguments(_FORM),
        templates=[
            main(_FORM, "Upload, normalize, match, load and verify, with the form's values."),
            _stages(),
            _upload(),
            _normalize(),
            _match(),
            _load(),
            _verify(),
            *exit_templates(NAME, {NAME: CODES}),
        ],
        # A hanging poll must not block later ones for days.
        deadline_s=8 * HOUR,
    )


def _stages() -> DAG:
    tasks = [
        Task(name=_UPLOAD, template=_UPLOAD, arguments=passed(_RUN, "inputs"), when=IS_ENABLED),
        # `run` finishes small files in its own pod; these continue with the files that it left.
        _after(
            "normalize",
            _UPLOAD,
            condition=f"{_worked(_UPLOAD)} and {output_of(_UPLOAD, 'waiting', '0')} != '0'",
        ),
        _after("match", "normalize"),
        _after("load", "match"),
        Task(
            name="verify",
            template="verify",
            arguments=passed(_BUCKET, "inputs"),
            depends=f"{_ended(_UPLOAD)} && {_ended('load', 'Errored', 'Skipped', 'Omitted')}",
            when=expression(_worked(_UPLOAD)),
        ),
    ]
    # A bad file fails the run once the good files are loaded and verified.
    return stages(_FORM, tasks, all_count=True)


def _after(name: str, task: str, *, condition: str | None = None) -> Task:
    """Return the task that continues after another one, with the uploads that succeeded there.

    Args:
        name: the task, and its template.
        task: the task before it.
        condition: expression that must hold; by default, that ``task`` succeeded or failed on bad data only.
    """
    return Task(name=name, template=name, depends=_ended(task), when=expression(condition or _worked(task)))


def _ended(task: str, *others: str) -> str:
    return f"({' || '.join(f'{task}.{result}' for result in ('Succeeded', 'Failed', *others))})"


def _worked(task: str) -> str:
    # Bad data only: the rest is done, and only these files are missing.
    return f"{exit_code_of(task)} in ['{EXIT_OK}', '{EXIT_DATA}']"


def _upload() -> Container:
    return _step(
        _UPLOAD,
        command="run",
        title="Upload",
        description="Reads the files and stores their rows. Files below `one-pod-mb` are matched and loaded here.",
        deadline_s=3 * HOUR,
        size=LARGE,
        parameters=_RUN,
        counts=("waiting",),
        account=UPLOAD_ACCOUNT,
        # Files that have arrived and leave a question open are announced by the step: the run does not fail.
        secrets=(DATABASE, VIEWERSHIP, NOTIFY),
        variables=form_names(_FORM),
    )


def _normalize() -> Container:
    return _step(
        "normalize",
        title="Normalize",
        description="Finds the deal, channel and territory of the rows that `upload` stored.",
        deadline_s=HOUR,
    )


def _match() -> Container:
    return _step(
        "match",
        title="Match",
        description="Matches distinct titles to the catalogue.",
        deadline_s=2 * HOUR,
        size=LARGE,
    )


def _load() -> Container:
    return _step(
        "load",
        title="Load",
        description="Writes the final rows of each upload in one transaction.",
        deadline_s=HOUR,
    )


def _verify() -> Container:
    rows = [
        gauge(
            "telecine_viewership_rows",
            "Rows of the uploads of the last 24 hours by fate.",
            f"day-{fate}",
            NAME,
            fate=fate,
        )
        for fate in _FATES
    ]
    others = [
        gauge(
            "telecine_viewership_oldest_review_seconds",
            "Age of the oldest upload with rows in review.",
            "oldest-review-s",
            NAME,
        ),
        gauge(
            "telecine_viewership_uploads_waiting",
            "Uploads that wait for a choice.",
            "needs-choice",
            NAME,
        ),
    ]
    return _step(
        "verify",
        title="Verify",
        description="Recomputes matches and sums of the run's uploads, and sets the gauges for alerts.",
        deadline_s=HOUR,
        size=LARGE,
        parameters=_BUCKET,
        counts=("wrong", "stale", *_GAUGES),
        account=UPLOAD_ACCOUNT,
        secrets=(DATABASE, VIEWERSHIP),
        # A poll every minute must not verify uploads that other runs loaded.
        variables={_OF_RUN: tag(UID)},
        gauges=(*rows, *others),
    )


def _step(
    name: str,
    *,
    title: str,
    description: str,
    deadline_s: int,
    command: str | None = None,
    size: Size = SMALL,
    parameters: Sequence[Field] = (),
    counts: tuple[str, ...] = (),
    account: str = STEP_ACCOUNT,
    secrets: tuple[MountedSecret, ...] = (DATABASE,),
    gauges: Sequence[Prometheus] = (),
    variables: dict[str, str] | None = None,
) -> Container:
    metrics: Metrics = step_metrics(NAME, name, *gauges)
    return step(
        name,
        [NAME, command or name],
        pipeline=NAME,
        stage=name,
        title=title,
        description=description,
        deadline_s=deadline_s,
        size=size,
        parameters=parameters,
        counts=counts,
        account=account,
        secrets=secrets,
        metrics=metrics,
        pauses=PROMPT,
        variables=variables,
    )


PIPELINE: Final = Pipeline(
    NAME,
    _build,
    parameters=_BRANCH,
    codes=CODES,
    others=CHANGES,
    crons=(
        Cron(
            "viewership-poll",
            schedule="* * * * *",
            title="viewership, every minute",
            description="Takes new files: first those announced by outbox events, then those below `uploads/`.",
            start_deadline_s=60,
            suspend=True,
            # A poll that meets a bad file fails, and the good files still need the next one.
            stop=None,
        ),
    ),
)
