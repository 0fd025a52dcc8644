"""Settings of `telecine doctor`."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import Field

from shared.logs import in_pod
from shared.settings.base import HOW_IT_RUNS, WHERE, setting
from shared.settings.step import StepSettings
from shared.storage.uris import Bucket, default_bucket, normalise

__all__ = ["DoctorSettings"]


_UPLOADS = "viewership"
_VARIABLE = "TELECINE_VIEWERSHIP_BUCKET"


def _written() -> tuple[str, ...]:
    """Return the buckets that steps write by default; viewership's only if it is used.

    It is used if its variable names it, or if its folder exists.
    """
    buckets = [default_bucket("game-data-manifest"), default_bucket("telecine-artifacts")]
    default = default_bucket(_UPLOADS)
    if named := os.environ.get(_VARIABLE):
        buckets.append(normalise(named))
    elif default.startswith("file://") and os.path.isdir(default.removeprefix("file://")):  # noqa: PTH112 - a URI's path
        buckets.append(default)
    return tuple(buckets)


class DoctorSettings(StepSettings, pipeline="doctor"):
    """Settings of the diagnosis: what to check, and how to print it."""

    read_buckets: tuple[Bucket, ...] = setting(
        default_factory=lambda: (default_bucket("game-data"),),
        default_text="game-data",
        description="Check that these buckets or folders can be read.",
        group=WHERE,
    )
    write_buckets: tuple[Bucket, ...] = setting(
        default_factory=_written,
        default_text="game-data-manifest,telecine-artifacts",
        description="Check that these buckets or folders can be written.",
        detail="Each receives an object of a few bytes, which is then deleted. The default includes viewership's "
        "bucket if TELECINE_VIEWERSHIP_BUCKET or an existing folder names it.",
        group=WHERE,
    )
    namespace: str | None = setting(
        None,
        default_text="the pod's own",
        description="Check this Kubernetes namespace.",
        shared=True,
        group=WHERE,
    )
    cluster: bool = setting(
        default_factory=in_pod,
        default_text="in a pod",
        description="Check Kubernetes too, with the pod's account or the kubeconfig.",
        group=HOW_IT_RUNS,
    )
    console_url: Annotated[str | None, Field(pattern=r"^https?://[^@?#\s]+$")] = setting(
        None,
        default_text="none",
        description="Check that the console at this URL is ready.",
        detail="For example http://telecine-console.telecine in the cluster. Requests its /readyz.",
        group=WHERE,
    )
    format: Literal["text", "json"] = setting("text", description="Print text or JSON.", group=HOW_IT_RUNS)
