"""TARs of game sessions -> sampled frames, statistics, quality manifest, table for BI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hera.workflows import DAG, Step, Steps, Task

from jobs.gamedata.errors import CODES
from jobs.gamedata.settings import ExtractSettings, ManifestSettings, PlanSettings, PublishSettings
from shared.rayjob.settings import RaySettings
from workflows._lib.cron import Cron
from workflows._lib.hooks import exit_templates
from workflows._lib.labels import shown
from workflows._lib.parameters import arguments, fields, form_names, inputs, passed
from workflows._lib.pipeline import STAGES, Pipeline
from workflows._lib.retry import PROMPT
from workflows._lib.step import LARGE, MEDIUM, step
from workflows._lib.sweep import SWEEP, sweep_step
from workflows._lib.template import workflow_template
from workflows._lib.variables import NAME, expression, parameter

if TYPE_CHECKING:
    from hera.workflows import Container, WorkflowTemplate

__all__ = ["PIPELINE"]

_NAME: Final = "gamedata"
# A pod keeps no files between steps; and where Ray runs, cpu-workers and gpu-workers say how much of it there is.
_NOT_HERE: Final = ("cache-dir", "cache-mb", "workers")
_IN_A_CLUSTER: Final = {"compute": "cpu", "output-path": ""}
_DAY: Final = 86_400

_WORKERS: Final = {"cpu-workers": "cpu-workers", "gpu-workers": "gpu-workers"}
_RAY: Final = fields(RaySettings, only=_WORKERS, from_config=_WORKERS)
_EXTRACT: Final = (*fields(ExtractSettings, without=("workers",), values={"compute": "cpu"}), *_RAY)
# Its `compute` stays local: a pod of its own is enough for the frames of flagged sessions.
_MANIFEST: Final = fields(ManifestSettings, without=(*_NOT_HERE, "compute"), values={"output-path": ""})
_PUBLISH: Final = fields(PublishSettings)
_PLAN: Final = fields(PlanSettings, without=_NOT_HERE, values=_IN_A_CLUSTER)
_RUN: Final = (*_PLAN, *_RAY)


def _input(name: str) -> str:
    return parameter("inputs", name, in_expression=True)


# Beside the .pt files that it tells of; a run's own file, so that two runs never write the same.
_OUTPUT_PATH: Final = _input("output-path")
_BUCKET: Final = _input("manifest-bucket")
_MANIFEST_URI: Final = expression(
    f"{_OUTPUT_PATH} != '' ? {_OUTPUT_PATH}"
    f" : ({_BUCKET} contains '://' ? '' : 's3://') + {_BUCKET} + '/_manifests/' + {NAME} + '.parquet'"
)
_LOCAL: Final = expression(f"{_input('compute')} == 'local'")
_CLUSTER: Final = expression(f"{_input('compute')} != 'local'")
# A model wants torch, checks may want frames, and pictures of menus PyAV: the image without Ray has none of them.
_GIVEN: Final = " + ".join(map(_input, ("menu-model", "menu-references", "checks")))
_FRAMES: Final = expression(f"{_GIVEN} != ''")
_STATISTICS: Final = expression(f"{_GIVEN} == ''")


def _build() -> WorkflowTemplate:
    """Return the WorkflowTemplate."""
    return workflow_template(
        _NAME,
        title="**gamedata**: TARs of game sessions to frames, statistics and a quality manifest",
        description="Reads a few megabytes of each TAR; bad ones become typed rows, and a second run redoes nothing.",
        entrypoint="main",
        arguments=arguments(_RUN),
        templates=[_main(), _stages(), _plan(), *_extract(), *_manifest(), _publish(), sweep_step(_NAME), *_exit()],
    )


def _exit() -> list[Container | Steps]:
    return exit_templates(_NAME, {_NAME: CODES})


def _main() -> DAG:
    return DAG(
        name="main",
        annotations=shown("The whole pipeline", "Plan, extract, manifest, publish, with the values of the form."),
        tasks=[Task(name=STAGES, template=STAGES, arguments=passed(_RUN, "workflow"))],
    )


def _stages() -> DAG:
    return DAG(
        name=STAGES,
        annotations=shown("The stages", "What `main` runs, and the umbrella `media`; start `main` by hand."),
        inputs=inputs(_RUN),
        tasks=[
            Task(name=SWEEP, template=SWEEP),
            Task(name="plan", template="plan", arguments=passed(_PLAN, "inputs", output_path=_MANIFEST_URI)),
            Task(
                name="extract",
                template="extract",
                # Beside the plan, and done before Ray pods are asked for; one that fails stops nobody.
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
        ],
    )


def _plan() -> Container:
    return step(
        "plan",
        ["gamedata", "plan"],
        pipeline=_NAME,
        stage="plan",
        title="Plan",
        description="Checks every parameter, and says what the run would read; a bad one ends it within seconds.",
        deadline_s=3600,
        found=_PLAN,
        counts=("to-read", "done", "failed-before", "bytes"),
        pauses=PROMPT,
        variables=form_names(_RUN),
    )


def _extract() -> list[Container | Steps]:
    command = ["gamedata", "extract"]
    return [
        Steps(
            name="extract",
            annotations=shown("Extract", "On a Ray cluster of its own, or with `compute: local` in one pod."),
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
            description="Makes a RayJob, or finds that of an earlier attempt, follows it, and ends as its driver did.",
            # Longer than the RayJob's own deadline, which ends the work in a way that a retry can go on from.
            deadline_s=_DAY + 7200,
            found=_EXTRACT,
            launcher=True,
        ),
        step(
            "extract-in-pod",
            command,
            pipeline=_NAME,
            stage="extract",
            title="Extract in one pod",
            description="Ray starts inside the pod, with a worker for each of its CPUs.",
            deadline_s=_DAY,
            found=_EXTRACT,
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
                "Manifest", "Over statistics alone, or with a model, pictures of menus or checks of your own."
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
            title="Manifest over statistics",
            description="Judges the sessions by what the extraction measured; reads no frame.",
            deadline_s=7200,
            size=MEDIUM,
            found=_MANIFEST,
        ),
        step(
            "manifest-over-frames",
            command,
            pipeline=_NAME,
            stage="manifest",
            title="Manifest over frames",
            description="With a menu model, pictures of menus or checks of your own; Ray starts inside the pod.",
            deadline_s=_DAY,
            size=LARGE,
            found=_MANIFEST,
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
        description="Writes the manifest to `gold.gamedata_sessions` in one transaction; equal rows stay untouched.",
        deadline_s=3600,
        size=MEDIUM,
        found=_PUBLISH,
    )


PIPELINE: Final = Pipeline(
    _NAME,
    _build,
    parameters=_RUN,
    codes=tuple(CODES),
    crons=(
        Cron(
            "gamedata-nightly",
            schedule="0 2 * * *",
            title="gamedata, every night",
            description="Extracts what is new since the last night, and publishes the manifest.",
            start_deadline_s=3600,
        ),
    ),
)
