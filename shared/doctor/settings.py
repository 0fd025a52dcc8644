"""What `telecine doctor` takes."""

from __future__ import annotations

from typing import Literal

from shared.logs import in_pod
from shared.settings.base import setting
from shared.settings.step import StepSettings
from shared.storage.uris import Bucket, default_bucket

__all__ = ["DoctorSettings"]


class DoctorSettings(StepSettings, pipeline="doctor"):
    """What is looked at."""

    read_buckets: tuple[Bucket, ...] = setting(
        default_factory=lambda: (default_bucket("game-data"),),
        default_text="game-data",
        description="Buckets or folders that steps read.",
    )
    write_buckets: tuple[Bucket, ...] = setting(
        default_factory=lambda: (default_bucket("game-data-manifest"), default_bucket("telecine-artifacts")),
        default_text="game-data-manifest,telecine-artifacts",
        description="Buckets or folders that steps write; each gets an object of a few bytes, which is deleted again.",
    )
    cluster: bool = setting(
        default_factory=in_pod,
        default_text="in a pod",
        description="Look at Kubernetes as well: as the pod's account, elsewhere as the kubeconfig says.",
    )
    namespace: str | None = setting(None, default_text="the pod's own", description="Namespace of runs.", shared=True)
    format: Literal["text", "json"] = setting("text", description="text for people, json for programs.")
