"""The gamedata workflow and its cron: plan, extract (one pod or a RayJob), manifest and publication."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hera.workflows import Step, Steps, Task

from jobs.gamedata.errors import CODES
from jobs.gamedata.settings import ExtractSettings, ManifestSettings, PlanSettings, RunSettings
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
from workflows._lib.template import workflow_template
from workflows._lib.variables import NAME, encoded, expression, output_of, parameter

if TYPE_CHECKING:
    from hera.workflows import DAG, Container, WorkflowTemplate

__all__ = ["PIPELINE"]

_NAME: Final = "gamedata"
# Parameters without use here: a pod keeps no files between steps, and cpu-workers and gpu-workers replace `workers`.
_UNUSED: Final = ("cache-dir", "cache-mb", "workers")
_IN_A_CLUSTER: Final = {"compute": "auto", "output-path": ""}
_DAY: Final = 86_400

_WORKERS: Final = {"cpu-workers": "cpu-workers", "gpu-workers": "gpu-workers"}
_RAY: Final = fields(RaySettings, only=_WORKERS, from_config=_WORKERS)
_EXTRACT: Final = (*fields(ExtractSettings, without=("workers",), values={"compute": "cpu"}), *_RAY)
# `compute` is always local here: one pod is enough for the frames of flagged sessions.
_MANIFEST: Final = fields(ManifestSettings, without=(*_UNUSED, "compute"), values={"output-path": ""})
# The cron passes no parameters, so the installation names its buckets.
_BUCKETS: Final = {"source-bucket": "gamedata-source-bucket", "manifest-bucket": "gamedata-manifest-bucket"}
_PLAN: Final = (*fields(PlanSettings, without=_UNUSED, values=_IN_A_CLUSTER, from_config=_BUCKETS), *_RAY)


def _input(name: str) -> str:
    return parameter("inputs", name, in_expression=True)


# The manifest is in the bucket of the .pt files that it describes. The run's name in its key keeps runs from
# overwriting each other's file.
_OUTPUT_PATH: Final = _input("output-path")
_BUCKET: Final = f"sprig.b64dec({_input('manifest-bucket')})"
_DEFAULT_URI: Final = f"({_BUCKET} contains '://' ? '' : 's3://') + {_BUCKET} + '/_manifests/' + {NAME} + '.parquet'"
_MANIFEST_URI: Final = expression(f"{_OUTPUT_PATH} != '' ? {_OUTPUT_PATH} : {encoded(_DEFAULT_URI)}")
# The plan's choice, one of four words that it writes itself; with `compute: auto`, by the work that is left. If the
# output is missing, a Ray cluster is used, which is enough for any number of TARs.
_CHOSEN: Final = "compute"
_FALLBACK: Final = "cpu"
_CHOICE: Final = expression(encoded(output_of("plan", _CHOSEN, _FALLBACK)))
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
            main(_PLAN, "Plan, extract, build the manifest and publish it, with the values of the form."),
            _stages(),
            _plan(),
            *_extract(),
            *_manifest(),
            *_exit(),
        ],
    )


def _exit() -> list[Container | Steps]:
    return exit_templates(_NAME, {_NAME: CODES})


def _stages() -> DAG:
    tasks = [
        Task(name="plan", template="plan", arguments=passed(_PLAN, "inputs", output_path=_MANIFEST_URI)),
        Task(
            name="extract",
            template="extract",
            depends="plan.Succeeded",
            arguments=passed(_EXTRACT, "inputs", compute=_CHOICE),
        ),
        Task(
            name="manifest",
            template="manifest",
            depends="extract.Succeeded",
            arguments=passed(_MANIFEST, "inputs", output_path=_MANIFEST_URI),
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
        counts=("to-read", "done", "failed-before", "bytes", "cpu-s"),
        texts={_CHOSEN: _FALLBACK},
        pauses=PROMPT,
        variables=form_names(_PLAN),
    )


def _extract() -> list[Container | Steps]:
    command = ["gamedata", "extract"]
    return [
        Steps(
            name="extract",
            annotations=shown(
                "Extract", "In one pod or on a Ray cluster of its own, as `plan` chose (its output `compute`)."
            ),
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
            description="Deletes RayJobs of ended runs, creates one or re-attaches to that of an earlier attempt, "
            "relays its log, and ends with its result.",
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
            description="Starts worker processes inside the pod, one per CPU, and no other pod.",
            deadline_s=_DAY,
            parameters=_EXTRACT,
            ray=True,
            size=LARGE,
        ),
    ]


def _manifest() -> list[Container | Steps]:
    # One pod builds and publishes, because both need the same account, Secrets and addresses. A retry after a failed
    # publication builds the manifest again, which takes a second, because results of frames checks are cached.
    command = ["gamedata", "run"]
    stage, publish = (RunSettings.variables(name)[0] for name in ("stage", "publish"))
    constants = {stage: "manifest", publish: "true"}
    return [
        Steps(
            name="manifest",
            annotations=shown(
                "Manifest and publication",
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
            description="Evaluates the sessions from extraction's statistics, without frames, writes the manifest, and "
            "publishes it to `gold.gamedata_*`.",
            # Two hours for the manifest, and one for publication with its sprites.
            deadline_s=10_800,
            size=MEDIUM,
            parameters=_MANIFEST,
            variables=constants,
            copies=("publish",),
        ),
        step(
            "manifest-over-frames",
            command,
            pipeline=_NAME,
            stage="manifest",
            title="Manifest from frames",
            description="Used with a menu model, reference pictures or custom checks. Starts worker processes in "
            "the pod, writes the manifest, and publishes it.",
            deadline_s=_DAY,
            size=LARGE,
            parameters=_MANIFEST,
            ray=True,
            variables=constants,
            copies=("publish",),
        ),
    ]


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
