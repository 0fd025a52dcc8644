"""Object names shared with the chart, which replaces the images and may rename accounts and secrets."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ARTIFACT_REPOSITORY",
    "CONFIG_ENVIRONMENT",
    "CONFIG_LIMITS",
    "CONFIG_PARAMETERS",
    "CONFIG_RAY",
    "DATABASE_VARIABLES",
    "JOBS_IMAGE",
    "LAUNCHER_ACCOUNT",
    "NOTIFY_VARIABLES",
    "RAY_IMAGE",
    "S3_VARIABLES",
    "SCREENALYTICS_VARIABLES",
    "STEP_ACCOUNT",
]

# Placeholders: the chart replaces these two and rejects any other image.
JOBS_IMAGE: Final = "telecine-jobs:0"
RAY_IMAGE: Final = "telecine-ray:0"

STEP_ACCOUNT: Final = "telecine-step"
LAUNCHER_ACCOUNT: Final = "telecine-launcher"

CONFIG_ENVIRONMENT: Final = "telecine-environment"
CONFIG_RAY: Final = "telecine-ray"
CONFIG_PARAMETERS: Final = "telecine-parameters"
CONFIG_LIMITS: Final = "telecine-limits"
ARTIFACT_REPOSITORY: Final = ("artifact-repositories", "telecine")

# Secrets whose keys are environment variables.
DATABASE_VARIABLES: Final = "telecine-database"
S3_VARIABLES: Final = "telecine-s3"
NOTIFY_VARIABLES: Final = "telecine-notify"
SCREENALYTICS_VARIABLES: Final = "telecine-screenalytics"
