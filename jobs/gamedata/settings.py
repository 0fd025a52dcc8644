"""Parameters of the gamedata steps: flags, variables, Argo parameters and the docs are derived from these fields.

Within a section, parameters appear in the order of this file.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, PositiveInt

from jobs.gamedata.model import SamplingSpec
from shared.settings import StepSettings, setting
from shared.settings.base import HOW_IT_RUNS, LIMITS, WHERE, Group
from shared.storage import Bucket, Place, default_bucket

__all__ = [
    "Compute",
    "Device",
    "ExtractSettings",
    "ManifestSettings",
    "PlanSettings",
    "PublishSettings",
    "RunSettings",
    "SampleSettings",
    "Strides",
    "VerifySettings",
]

Compute = Literal["auto", "local", "cpu", "gpu", "mixed"]
Device = Literal["auto", "cpu", "cuda"]

_STRIDE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*:\s*(\d+)\s*")


def _parse_strides(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs: list[tuple[float, int]] = []
    for part in value.split(","):
        match = _STRIDE.fullmatch(part)
        if match is None or float(match[1]) <= 0 or int(match[2]) <= 0:
            raise ValueError(f"'{part}' is not a stride; expected SECONDS:COUNT, comma-separated, e.g. 3:15,30:15,60:5")
        pairs.append((float(match[1]), int(match[2])))
    if len({stride for stride, _ in pairs}) != len(pairs):
        raise ValueError(f"'{value}' names a stride twice; expected each SECONDS once, e.g. 3:15,30:15,60:5")
    return tuple(pairs)


Strides = Annotated[tuple[tuple[float, int], ...], BeforeValidator(_parse_strides)]


_SAMPLED: Final = Group("What is sampled", 20)
_CHECKS: Final = Group("Checks", 30)
_SAMPLE_SET: Final = Group("What is written", 20)


class _Source(StepSettings, pipeline="gamedata"):
    source_bucket: Bucket = setting(
        default_factory=lambda: default_bucket("game-data"),
        default_text="game-data",
        description="Read TARs from this bucket name, s3://bucket, folder or file:///folder.",
        form="Bucket with the TARs: a name or s3://bucket.",
        group=WHERE,
    )
    task_list: str | None = setting(
        None,
        default_text="list the source",
        description="Read only the TAR keys in this file or URI, one per line.",
        detail="Blank lines and lines that start with # are skipped.",
        form="URI of a file with one TAR key per line, such as s3://bucket/keys.txt.",
        group=WHERE,
    )


class _Results(StepSettings, pipeline="gamedata"):
    prefix: str = setting(
        "",
        description="Process only keys that start with this prefix.",
        detail="It applies to TAR keys in extract, and to sessions in manifest and verify.",
        group=WHERE,
    )
    manifest_bucket: Bucket = setting(
        default_factory=lambda: default_bucket("game-data-manifest"),
        default_text="game-data-manifest",
        description="Store .pt files and statistics in this bucket or folder.",
        detail="A bucket name, s3://bucket, a folder or file:///folder.",
        form="Bucket for .pt files and statistics: a name or s3://bucket.",
        group=WHERE,
    )


class _Work(StepSettings, pipeline="gamedata"):
    compute: Compute = setting(
        "local",
        description="Work on this machine, or extract in a RayJob with CPU or GPU workers.",
        detail="local starts worker processes, without Ray; cpu, gpu and mixed start a KubeRay RayJob with CPU "
        "workers, GPU workers or both. auto chooses gpu with --device cuda, otherwise local for little work "
        "(--one-pod-s) and cpu for more.",
        form="auto extracts in one pod if there is little to read, otherwise on a Ray cluster; local forces the pod; "
        "cpu, gpu and mixed force a Ray cluster with CPU workers, GPU workers or both.",
        group=HOW_IT_RUNS,
    )
    workers: PositiveInt | None = setting(
        None,
        default_text="one per core",
        description="Start this many workers, each with its own decoder process.",
        group=HOW_IT_RUNS,
    )
    device: Device = setting(
        "auto",
        description="Compute frame statistics and the menu model on this device.",
        detail="auto uses CUDA if available.",
        form="Device for frame statistics and the menu model; auto uses CUDA if available.",
        group=HOW_IT_RUNS,
    )
    max_failed: Annotated[int, Field(ge=0)] | None = setting(
        None,
        default_text="fail only if all fail",
        description="Fail (exit 65) if more than this many items fail.",
        form="Fail the step if more than this many items fail.",
        group=LIMITS,
    )


class _Pool(StepSettings):  # without a pipeline, so that forms omit this choice: only trials need it
    local_pool: Literal["processes", "ray"] = setting(
        "processes",
        description="Run the workers on this machine as processes or in a local Ray.",
        detail="On one machine, Ray starts more slowly and adds nothing; use it to try what a cluster does.",
        group=HOW_IT_RUNS,
    )


class ExtractSettings(_Pool, _Source, _Results, _Work, pipeline="gamedata"):
    """Settings of `extract`, which turns TARs into sampled frames (.pt) and statistics."""

    strides: Strides = setting(
        ((3.0, 15), (30.0, 15), (60.0, 5)),
        default_text="3:15,30:15,60:5",
        description="Sample COUNT frames, SECONDS apart, for each SECONDS:COUNT pair.",
        form="SECONDS:COUNT pairs, comma-separated: for each, COUNT frames that are SECONDS apart.",
        group=_SAMPLED,
    )
    sampling: Literal["auto", "keyframe", "exact"] = setting(
        "auto",
        description="Sample the nearest keyframes or the exact times.",
        detail="auto takes the nearest keyframe but decodes exactly if that would repeat a frame; keyframe allows "
        "repeats; exact decodes every requested time.",
        form="keyframe: nearest keyframe, repeats allowed; exact: requested times; auto: exact only to avoid repeats.",
        group=_SAMPLED,
    )
    max_height: Annotated[int, Field(ge=0)] = setting(
        360, unit="pixels", description="Scale taller frames down to this height; 0 keeps the size.", group=_SAMPLED
    )
    frames: Literal["rgb", "packets"] = setting(
        "rgb",
        description="Store RGB pixels, or the original encoded packets.",
        detail="Packets take up about a tenth of the space.",
        form="Store RGB pixels, or the original encoded packets, which take up about a tenth of the space.",
        group=_SAMPLED,
    )
    store: bool = setting(
        True,
        description="Write .pt files; otherwise keep only statistics.",
        group=_SAMPLED,
    )
    skip_existing: bool = setting(
        True,
        description="Skip TARs already committed with the same ETag and sampling spec.",
        group=HOW_IT_RUNS,
    )
    only_failed: bool = setting(
        False, description="Process only TARs whose last result is an error.", group=HOW_IT_RUNS
    )
    # 64 sessions of 640x360 or 14 of 1920x1080: some 25 s of work, one part. At 1 GB, a million sessions would leave
    # 200,000 parts.
    batch_mb: PositiveInt = setting(
        12_800,
        unit="MB",
        description="Give a worker TARs of this total size at once.",
        detail="Smaller batches commit more often.",
        group=HOW_IT_RUNS,
    )
    # Ray's pods take 28 s to start and end (docs/performance.md). In that time one core extracts 80 sessions of
    # 640x360, so a RayJob would be slower.
    one_pod_s: Annotated[float, Field(ge=0)] = setting(
        28.0,
        unit="s",
        description="With --compute auto, extract without a RayJob up to this estimated CPU time.",
        detail="The estimate is 0.35 s per TAR, or 1.85 s per GB if that is more; with --sampling exact, five times as "
        "much. Starting and ending a RayJob takes 28 s.",
        form="With compute auto, extract in one pod if the estimated CPU time of the TARs to read is at most this.",
        group=HOW_IT_RUNS,
    )
    item_timeout_s: Annotated[float, Field(gt=0, le=3600)] = setting(
        30.0, unit="s", description="Limit the wall-clock time per TAR.", group=LIMITS
    )
    item_memory_mb: Annotated[int, Field(gt=0, le=65_536)] = setting(
        1536, unit="MB", description="Limit the address space of each decoder process.", group=LIMITS
    )
    max_pixels: Annotated[int, Field(gt=0, le=2**31 - 1)] = setting(
        8192 * 4320, unit="pixels", description="Reject larger frames before decoding them.", group=LIMITS
    )

    def spec(self) -> SamplingSpec:
        """Return the sampling spec of these settings."""
        return SamplingSpec(strides=self.strides, mode=self.sampling, max_height=self.max_height, frames=self.frames)


class _Places(StepSettings):  # without a pipeline: forms have no field that the operator sets
    menu_model_places: tuple[Place, ...] = setting(
        (),
        default_text="any",
        description="Read the menu model only from these buckets or folders.",
        detail="In a cluster the chart sets it, not the form. `none` allows no model, `s3://` every bucket.",
        group=_CHECKS,
    )
    checks_places: tuple[Place, ...] = setting(
        (),
        default_text="any",
        description="Execute files of checks only from these folders.",
        detail="In a cluster the chart sets it, not the form. `none` allows no file.",
        group=_CHECKS,
    )


class ManifestSettings(_Pool, _Places, _Results, _Work, pipeline="gamedata"):
    """Settings of `manifest`, which turns statistics and .pt files into the quality manifest (Parquet)."""

    output_path: str = setting(
        "manifest.parquet",
        description="Write the manifest to this path or URI.",
        form="URI for the manifest, such as s3://bucket/a.parquet. Empty: a file per run in the manifest bucket.",
        group=WHERE,
    )
    checks: tuple[str, ...] = setting(
        (),
        description="Add the checks in this Python file; repeat for several files.",
        form="Python files with checks, comma-separated: paths in both images, not URIs, in a folder of the chart's "
        "value gamedata.checksPlaces, such as /opt/telecine/checks/mine.py.",
        group=_CHECKS,
    )
    menu_references: str | None = setting(
        None,
        description="Compare frames with the menu pictures (PNG, JPEG) in this folder.",
        form="Folder of menu pictures (PNG, JPEG): a path that exists in both images, not a URI.",
        group=_CHECKS,
    )
    menu_model: str | None = setting(
        None,
        description="Score frames as menu with this torch.export program (.pt2).",
        detail="It is a path or a URI.",
        form="URI of a torch.export program (.pt2) that scores frames as menu, in one of the places in the chart's "
        "value gamedata.menuModelPlaces.",
        group=_CHECKS,
    )
    menu_threshold: Annotated[float, Field(ge=0, lt=1)] = setting(
        0.5, description="Flag a session as mostly menu above this menu share.", group=_CHECKS
    )
    dark_luma: Annotated[float, Field(ge=0, le=255)] = setting(
        15.0, unit="of 255", description="Count frames with a lower mean luma as dark.", group=_CHECKS
    )
    dark_share: Annotated[float, Field(ge=0, lt=1)] = setting(
        0.5, description="Flag a session as mostly dark above this share of dark time.", group=_CHECKS
    )
    cache_dir: str | None = setting(
        None, description="Cache .pt files for frame checks in this folder.", group=HOW_IT_RUNS
    )
    cache_mb: PositiveInt = setting(
        4096,
        unit="MB",
        description="Limit the size of the cache folder.",
        detail="The least recently used files are removed first.",
        group=LIMITS,
    )


# model_construct differs: pydantic's plugin gives each class its own.
class PlanSettings(ExtractSettings, ManifestSettings, pipeline="gamedata"):  # type: ignore[misc]
    """Settings of `plan`, which checks every parameter of a run before anything is read."""


class _Sprites(StepSettings):  # without a pipeline, so that forms omit this operator setting
    # Each reads 12 frames, 8 MB; 10,000 take about ten minutes of the step's hour.
    sprites: Annotated[int, Field(ge=0)] = setting(
        10_000,
        description="Make at most this many missing sprites; later runs make the rest.",
        detail="A sprite is one picture of at most 20 kB per session, for the console; 0 makes none.",
        group=LIMITS,
    )


class RunSettings(_Sprites, PlanSettings, pipeline="gamedata"):  # type: ignore[misc]
    """Settings of `run`, which runs the stages in sequence."""

    stage: Literal["extraction", "manifest", "both"] = setting(
        "both", description="Run one stage or both.", group=HOW_IT_RUNS
    )
    publish: bool = setting(
        False,
        description="Publish the manifest to PostgreSQL as well, if every stage succeeded.",
        detail="The last stage of the run then does the same as `telecine gamedata publish`.",
        group=HOW_IT_RUNS,
    )


class PublishSettings(_Sprites, pipeline="gamedata"):
    """Settings of `publish`, which loads the manifest and its frames into gold.gamedata_* in PostgreSQL."""

    manifest: str = setting("manifest.parquet", description="Publish the manifest at this path or URI.", group=WHERE)
    prefix: str = setting(
        "",
        description="Replace only rows of sessions whose keys start with this prefix.",
        detail="Rows of such sessions that the manifest no longer contains are deleted; all other rows are kept.",
        group=WHERE,
    )
    manifest_bucket: Bucket = setting(
        default_factory=lambda: default_bucket("game-data-manifest"),
        default_text="game-data-manifest",
        description="Read statistics from this bucket or folder, and store sprites in it.",
        detail="Without such a bucket, rows are published without frames, inputs and sprites.",
        form="Bucket for .pt files and statistics: a name or s3://bucket.",
        group=WHERE,
    )


class VerifySettings(_Results, pipeline="gamedata"):
    """Settings of `verify`, which compares .pt files with their statistics, and marks mismatches for re-extraction."""

    quick: bool = setting(
        False, description="Compare only sizes and ETags, without reading .pt files.", group=HOW_IT_RUNS
    )
    dry_run: bool = setting(False, description="Only report; mark nothing for re-extraction.", group=HOW_IT_RUNS)


class SampleSettings(StepSettings, pipeline="gamedata"):
    """Settings of `sample`, which writes a small set of TARs with known ground truth."""

    output: Bucket = setting(
        default_factory=lambda: default_bucket("game-data"),
        default_text="game-data",
        description="Write the TARs to this bucket or folder.",
        group=WHERE,
    )
    seconds: Annotated[int, Field(ge=10, le=600)] = setting(
        60, unit="s", description="Set the length of the regular clips.", group=_SAMPLE_SET
    )
    seed: int = setting(
        1,
        description="Seed the random generator.",
        detail="Another seed produces other pictures of the same kinds.",
        group=_SAMPLE_SET,
    )
    include: tuple[str, ...] = setting(
        (), default_text="all", description="Write only these kinds, by name.", group=_SAMPLE_SET
    )
