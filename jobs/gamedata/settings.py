"""The parameters of every gamedata step: flags, variables, Argo parameters and the docs table all come from here."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PositiveInt

from jobs.gamedata.model import SamplingSpec
from shared.settings import StepSettings, setting
from shared.storage import Bucket, default_bucket

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

Compute = Literal["local", "cpu", "gpu", "mixed"]
Device = Literal["auto", "cpu", "cuda"]

_STRIDE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*:\s*(\d+)\s*")


def _parse_strides(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs: list[tuple[float, int]] = []
    for part in value.split(","):
        match = _STRIDE.fullmatch(part)
        if match is None or float(match[1]) <= 0 or int(match[2]) <= 0:
            raise ValueError(
                f"'{part}' is no stride; valid is SECONDS:COUNT, several with commas, such as 3:15,30:15,60:5"
            )
        pairs.append((float(match[1]), int(match[2])))
    if len({stride for stride, _ in pairs}) != len(pairs):
        raise ValueError(f"'{value}' names a stride twice")
    return tuple(pairs)


Strides = Annotated[tuple[tuple[float, int], ...], BeforeValidator(_parse_strides)]


class _Buckets(StepSettings, pipeline="gamedata"):
    manifest_bucket: Bucket = setting(
        default_factory=lambda: default_bucket("game-data-manifest"),
        default_text="game-data-manifest",
        description="Where .pt files and statistics are kept: a bucket name, s3://bucket, a folder or file:///folder.",
    )
    prefix: str = setting(
        "", description="Only keys that begin so: TAR keys in extract, sessions in manifest and verify."
    )


class _Work(StepSettings, pipeline="gamedata"):
    compute: Compute = setting(
        "local",
        description="Where Ray runs: local starts it on this machine; cpu, gpu and mixed run extract as a KubeRay "
        "RayJob with workers of these kinds.",
    )
    workers: PositiveInt | None = setting(
        None, default_text="one per core", description="Ray workers, each with a decoder process of its own."
    )
    device: Device = setting(
        "auto",
        description="Where frame statistics and the menu model are computed; auto takes cuda where torch has it.",
    )
    max_failed: Annotated[int, Field(ge=0)] | None = setting(
        None,
        default_text="every item",
        description="Exit with 65 when more items than this fail; not set: only when every item failed.",
    )


class ExtractSettings(_Buckets, _Work, pipeline="gamedata"):
    """TARs -> sampled frames (.pt) and statistics."""

    source_bucket: Bucket = setting(
        default_factory=lambda: default_bucket("game-data"),
        default_text="game-data",
        description="Where the TARs are: a bucket name, s3://bucket, a folder or file:///folder.",
    )
    task_list: str | None = setting(
        None,
        description="File or URI with one TAR key a line; blank lines and lines that begin with # are skipped. "
        "Without it the source is listed.",
    )
    skip_existing: bool = setting(
        True, description="Skip TARs whose result is committed for the same content and sampling."
    )
    only_failed: bool = setting(False, description="Only TARs whose last result is an error.")
    # 64 sessions of 640x360 or 14 of 1920x1080: some 25 s of work, one part. With a gigabyte a million sessions would
    # leave 200,000 parts.
    batch_mb: PositiveInt = setting(
        12_800, unit="MB", description="TAR bytes a Ray task takes; smaller batches commit more often."
    )
    sampling: Literal["auto", "keyframe", "exact"] = setting(
        "auto",
        description="auto: nearest keyframe, decoded exactly where it would repeat; keyframe: repeats allowed; "
        "exact: all at the asked times.",
    )
    strides: Strides = setting(
        ((3.0, 15), (30.0, 15), (60.0, 5)),
        default_text="3:15,30:15,60:5",
        description="SECONDS:COUNT pairs: which times are sampled.",
    )
    frames: Literal["rgb", "packets"] = setting(
        "rgb", description="rgb keeps pixels; packets keeps the source's own encoded frames, about a tenth of the size."
    )
    max_height: Annotated[int, Field(ge=0)] = setting(
        360, unit="pixels", description="Scale higher frames to this; 0 keeps the size."
    )
    store: bool = setting(True, description="Write .pt files; --no-store keeps only statistics.")
    item_timeout_s: Annotated[float, Field(gt=0)] = setting(30.0, unit="s", description="Wall-clock limit for one TAR.")
    item_memory_mb: PositiveInt = setting(1536, unit="MB", description="Address-space limit of a decoder process.")
    max_pixels: PositiveInt = setting(
        8192 * 4320, unit="pixels", description="Frames larger than this are refused before they are decoded."
    )

    def spec(self) -> SamplingSpec:
        """The sampling spec that these settings ask for."""
        return SamplingSpec(strides=self.strides, mode=self.sampling, max_height=self.max_height, frames=self.frames)


class ManifestSettings(_Buckets, _Work, pipeline="gamedata"):
    """Statistics and .pt files -> quality manifest (Parquet)."""

    output_path: str = setting("manifest.parquet", description="Where the manifest goes: a path or a URI.")
    checks: tuple[str, ...] = setting((), description="Python file with further checks; may be given several times.")
    menu_references: str | None = setting(None, description="Folder of reference pictures of menus (PNG, JPEG).")
    menu_model: str | None = setting(None, description="A torch.export program (.pt2) that scores frames as menu.")
    dark_luma: Annotated[float, Field(ge=0, le=255)] = setting(
        15.0, unit="of 255", description="Frames with a smaller mean luma are dark."
    )
    dark_share: Annotated[float, Field(ge=0, lt=1)] = setting(
        0.5, description="A session that is dark for a larger share of its time is mostly dark."
    )
    menu_threshold: Annotated[float, Field(ge=0, lt=1)] = setting(
        0.5, description="A session with a larger menu share is mostly menu."
    )
    cache_dir: str | None = setting(None, description="Folder that keeps .pt files read by frame checks.")
    cache_mb: PositiveInt = setting(
        4096, unit="MB", description="Size of that folder; the least recently used files go first."
    )


class PlanSettings(ExtractSettings, ManifestSettings, pipeline="gamedata"):
    """Every parameter of a run, checked before anything is read."""


class RunSettings(PlanSettings, pipeline="gamedata"):
    """Both stages one after the other."""

    stage: Literal["extraction", "manifest", "both"] = setting("both", description="Which stages run.")


class PublishSettings(StepSettings, pipeline="gamedata"):
    """Manifest (Parquet) -> gold.gamedata_sessions in PostgreSQL."""

    manifest: str = setting("manifest.parquet", description="The manifest to publish: a path or a URI.")
    prefix: str = setting(
        "",
        description="The manifest is of the sessions whose keys begin so; rows of others stay, rows of sessions that "
        "it no longer has go.",
    )


class VerifySettings(_Buckets, pipeline="gamedata"):
    """Compares parts and .pt files, and retires what does not match."""

    quick: bool = setting(False, description="Compare sizes and ETags only, without reading the .pt files.")
    dry_run: bool = setting(False, description="Report only; retire nothing.")


class SampleSettings(StepSettings, pipeline="gamedata"):
    """Writes a small set of TARs with known truth."""

    output: Bucket = setting(
        default_factory=lambda: default_bucket("game-data"),
        default_text="game-data",
        description="Bucket or folder that gets the TARs.",
    )
    seconds: Annotated[int, Field(ge=10, le=600)] = setting(60, unit="s", description="Length of the normal clips.")
    seed: int = setting(1, description="Another seed gives other pictures of the same kinds.")
    include: tuple[str, ...] = setting((), default_text="all", description="Only these kinds, by name.")
