"""Object names shared with the chart, which replaces the images and may rename accounts and secrets."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ARTIFACT_REPOSITORY",
    "CONFIG_ENVIRONMENT",
    "CONFIG_LIMITS",
    "CONFIG_PARAMETERS",
    "CONFIG_RAY",
    "JOBS_IMAGE",
    "LAUNCHER_ACCOUNT",
    "RAY_IMAGE",
    "STEP_ACCOUNT",
    "TRAKT_ACCOUNT",
    "UPLOAD_ACCOUNT",
]

# Placeholders: the chart replaces these two and rejects any other image.
JOBS_IMAGE: Final = "telecine-jobs:0"
RAY_IMAGE: Final = "telecine-ray:0"

STEP_ACCOUNT: Final = "telecine-step"
LAUNCHER_ACCOUNT: Final = "telecine-launcher"
# Of the pods that read viewership uploads; its role in the store may read uploads and write raw files.
UPLOAD_ACCOUNT: Final = "telecine-upload"
# Of the pods of trakt; its role in the store may read and write the bucket of trakt.
TRAKT_ACCOUNT: Final = "telecine-trakt"

CONFIG_ENVIRONMENT: Final = "telecine-environment"
CONFIG_RAY: Final = "telecine-ray"
CONFIG_PARAMETERS: Final = "telecine-parameters"
CONFIG_LIMITS: Final = "telecine-limits"
ARTIFACT_REPOSITORY: Final = ("artifact-repositories", "telecine")
