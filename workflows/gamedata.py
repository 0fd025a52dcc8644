"""The gamedata workflow and its cron: sweep, plan, extract, manifest, publish; the manifest's default path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hera.workflows import Step, Steps, Task

from jobs.gamedata.errors import CODES
from jobs.gamedata.settings import ExtractSettings, ManifestSettings, PlanSettings, PublishSettings
from shared.rayjob.settings import RaySettings
from workflows._lib.cron import Cron
from workflows._lib.dags import MAIN, main, stages
from workflows._lib.hooks import exit_templates
from workflows._lib.labels import shown
from workflows._lib.parameters import arguments, fields, form_names, inputs, passed
from workflows._lib.pipeline import Pipeline
from workflows._lib.retry import PROMPT
from workflows._lib.secrets import DATABASE, RAY_TOKEN, S3
from workflows._lib.step import LARGE, MEDIUM, step
from workflows._lib.sweep import SWEEP, sweep_step
from workflows._lib.template import workflow_template
from workflows._lib.variables import NAME, encoded, expression, parameter

if TYPE_CHECKING:
    from hera.workflows import DAG, Container, WorkflowTemplate

__all__ = ["PIPELINE"]

_NAME: Final = "gamedata"
# Parameters without use here: a pod keeps no files between steps, and cpu-workers and gpu-workers replace `workers`.
_UNUSED: Final = ("cache-dir", "cache-mb", "workers")
_IN_A_CLUSTER: Final = {"compute": "cpu", "output-path": ""}
_DAY: Final = 86_400

_WORKERS: Final = {"cpu-workers": "cpu-workers", "gpu-workers": "gpu-workers"}
_RAY: Final = fields(RaySettings, only=_WORKERS, from_config=_WORKERS)
_EXTRACT: Final = (*fields(ExtractSettings, without=("workers",), values={"compute": "cpu"}), *_RAY)
# `compute` is always local here: one pod is enough for the frames of flagged sessions.
_MANIFEST: Final = fields(ManifestSettings, without=(*_UNUSED, "compute"), values={"output-path": ""})
_PUBLISH: Final = fields(PublishSettings)
_PLAN: Final = (*fields(PlanSettings, without=_UNUSED, values=_IN_A_CLUSTER), *_RAY)


def _input(name: str) -> str:
    return parameter("inputs", name, in_expression=True)


# The manifest is in the bucket of the .pt files that it describes. The run's name in its key keeps runs from
# overwriting each other's file.
_OUTPUT_PATH: Final = _input("output-path")
_BUCKET: Final = f"sprig.b64dec({_input('manifest-bucket')})"
_DEFAULT_URI: Final = f"({_BUCKET} contains '://' ? '' : 's3://') + {_BUCKET} + '/_manifests/' + {NAME} + '.parquet'"
_MANIFEST_URI: Final = expression(f"{_OUTPUT_PATH} != '' ? {_OUTPUT_PATH} : {encoded(_DEFAULT_URI)}")
# Inputs are base64.
_COMPUTE: Final = f"sprig.b64dec({_input('compute')})"
_LOCAL: Final = expression(f"{_COMPUTE} == 'local'")
_CLUSTER: Final = expression(f"{_COMPUTE} != 'local'")
# A menu model needs torch, reference pictures need PyAV and checks may need frames, so they need the image with Ray.
_FRAME_INPUTS: Final = " + ".join(map(_input, ("menu-model", "menu-references", "checks")))
_FRAMES: Final = expression(f"{_FRAME_INPUTS} != ''")
_STATISTICS: Final = expression(f"{_FRAME_INPUTS} == ''")


def _build() -> WorkflowTemplate:
    """Return the WorkflowTemplate."""
    return workflow_template(
        _NAME,
        title="**gamedata**: TARs of game sessions to frames, statistics and a quality manifest",
        description="Reads a few MB of each TAR. Bad TARs become rows with an error code; re-running repeats no work.",
        entrypoint=MAIN,
        arguments=arguments(_PLAN),
        templates=[
            main(_PLAN, "Plan, extract, manifest and publish, with the values of the form."),
            _stages(),
            _plan(),
            *_extract(),
            *_manifest(),
            _publish(),
            sweep_step(_NAME),
            *_exit(),
        ],
    )


def _exit() -> list[Container | Steps]:
    return exit_templates(_NAME, {_NAME: CODES})


def _stages() -> DAG:
    tasks = [
        Task(name=SWEEP, template=SWEEP),
        Task(name="plan", template="plan", arguments=passed(_PLAN, "inputs", output_path=_MANIFEST_URI)),
        Task(
            name="extract",
            template="extract",
            # The sweep runs alongside the plan and ends before Ray pods are requested; its failure is ignored.
            depends=f"plan.Succeeded && ({SWEEP}.Succeeded || {SWEEP}.Failed || {SWEEP}.Errored)",
            arguments=passed(_EXTRACT, "inputs"),
        ),
        Task(
            name="manifest",
            template="manifest",
            depends="extract.Succeeded",
            arguments=passed(_MANIFEST, "inputs", output_path=_MANIFEST_URI),
        ),
        Task(
            name="publish",
            template="publish",
            depends="manifest.Succeeded",
            arguments=passed(_PUBLISH, "inputs", manifest=_MANIFEST_URI),
        ),
    ]
    return stages(_PLAN, tasks)


def _plan() -> Container:
    return step(
        "plan",
        ["gamedata", "plan"],
        pipeline=_NAME,
        stage="plan",
        title="Plan",
        description="Checks all parameters and lists what the run will read. Invalid ones fail the run within seconds.",
        deadline_s=3600,
        parameters=_PLAN,
        counts=("to-read", "done", "failed-before", "bytes"),
        pauses=PROMPT,
        variables=form_names(_PLAN),
    )


def _extract() -> list[Container | Steps]:
    command = ["gamedata", "extract"]
    return [
        Steps(
            name="extract",
            annotations=shown("Extract", "Runs on a dedicated Ray cluster, or in one pod with `compute: local`."),
            inputs=inputs(_EXTRACT),
            sub_steps=[
                Step(
                    name="on-cluster",
                    template="extract-on-cluster",
                    when=_CLUSTER,
                    arguments=passed(_EXTRACT, "inputs"),
                ),
                Step(name="in-pod", template="extract-in-pod", when=_LOCAL, arguments=passed(_EXTRACT, "inputs")),
            ],
        ),
        step(
            "extract-on-cluster",
            command,
            pipeline=_NAME,
            stage="extract",
            title="Extract on a Ray cluster",
            description="Creates a RayJob, or attaches to the one of an earlier attempt, and exits as its driver does.",
            # Longer than the RayJob's own deadline, which stops the work so that a retry can resume it.
            deadline_s=_DAY + 7200,
            parameters=_EXTRACT,
            launcher=True,
            secrets=(DATABASE, S3, RAY_TOKEN),
        ),
        step(
            "extract-in-pod",
            command,
            pipeline=_NAME,
            stage="extract",
            title="Extract in one pod",
            description="Starts worker processes inside the pod, one per CPU.",
            deadline_s=_DAY,
            parameters=_EXTRACT,
            ray=True,
            size=LARGE,
        ),
    ]


def _manifest() -> list[Container | Steps]:
    command = ["gamedata", "manifest"]
    return [
        Steps(
            name="manifest",
            annotations=shown(
                "Manifest",
                "From statistics, and from frames if a menu model, reference pictures or checks are set.",
            ),
            inputs=inputs(_MANIFEST),
            sub_steps=[
                Step(
                    name="over-statistics",
                    template="manifest-over-statistics",
                    when=_STATISTICS,
                    arguments=passed(_MANIFEST, "inputs"),
                ),
                Step(
                    name="over-frames",
                    template="manifest-over-frames",
                    when=_FRAMES,
                    arguments=passed(_MANIFEST, "inputs"),
                ),
            ],
        ),
        step(
            "manifest-over-statistics",
            command,
            pipeline=_NAME,
            stage="manifest",
            title="Manifest from statistics",
            description="Evaluates the sessions by the statistics from extraction; reads no frames.",
            deadline_s=7200,
            size=MEDIUM,
            parameters=_MANIFEST,
        ),
        step(
            "manifest-over-frames",
            command,
            pipeline=_NAME,
            stage="manifest",
            title="Manifest from frames",
            description="Used with a menu model, reference pictures or custom checks. Starts worker processes inside the pod.",
            deadline_s=_DAY,
            size=LARGE,
            parameters=_MANIFEST,
            ray=True,
        ),
    ]


def _publish() -> Container:
    return step(
        "publish",
        ["gamedata", "publish"],
        pipeline=_NAME,
        stage="publish",
        title="Publish",
        description="Writes the manifest and its frames to `gold.gamedata_*` at once, and makes missing sprites.",
        deadline_s=3600,
        size=MEDIUM,
        parameters=_PUBLISH,
    )


PIPELINE: Final = Pipeline(
    _NAME,
    _build,
    parameters=_PLAN,
    codes=tuple(CODES),
    crons=(
        Cron(
            "gamedata-nightly",
            schedule="0 2 * * *",
            title="gamedata, every night",
            description="Extracts new sessions and publishes the manifest.",
            start_deadline_s=3600,
        ),
    ),
)
