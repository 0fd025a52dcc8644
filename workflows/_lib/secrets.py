"""The Secrets of a step, mounted as files in one folder; the names of the files are those of the variables.

A Secret in the environment would be inherited by every process of the container, and Kubernetes would expand
``$(NAME)`` in any argument or variable to its value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hera.workflows.models import (
    KeyToPath,
    ProjectedVolumeSource,
    SecretProjection,
    Volume,
    VolumeMount,
    VolumeProjection,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "DATABASE",
    "NOTIFY",
    "RAY_TOKEN",
    "S3",
    "SCREENALYTICS",
    "SECRETS_DIR",
    "TRAKT",
    "TRAKT_USERS",
    "VIEWERSHIP",
    "MountedSecret",
    "secret_volume",
]

SECRETS_DIR: Final = "/run/secrets/telecine"

# Readable by the group of the pod (fsGroup), which is that of its user.
_MODE: Final = 0o440


@dataclass(frozen=True, slots=True)
class MountedSecret:
    """A Secret of the chart, which may replace its name by that of an existing one.

    Attributes:
        name: name of the Secret.
        optional: True if the Secret may be missing.
        files: key -> name of the file; empty mounts all keys under their own names.
    """

    name: str
    optional: bool = False
    files: tuple[tuple[str, str], ...] = ()


DATABASE: Final = MountedSecret("telecine-database")
# Without keys, the pod's role applies.
S3: Final = MountedSecret("telecine-s3", optional=True)
NOTIFY: Final = MountedSecret("telecine-notify", optional=True)
SCREENALYTICS: Final = MountedSecret("telecine-screenalytics", optional=True)
# Keys of the store for uploads, instead of those of S3, which the chart mounts if there are no others.
VIEWERSHIP: Final = MountedSecret("telecine-viewership", optional=True)
# The client id of a Trakt app, for the pods that ask the API only.
TRAKT: Final = MountedSecret("telecine-trakt", optional=True)
# The salt of users' names.
TRAKT_USERS: Final = MountedSecret("telecine-trakt-users", optional=True)
# The key's name is KubeRay's.
RAY_TOKEN: Final = MountedSecret("telecine-ray-auth", files=(("auth_token", "TELECINE_RAY_AUTH_TOKEN"),))


def secret_volume(secrets: Sequence[MountedSecret]) -> tuple[Volume, VolumeMount]:
    """Return the volume with the files of all these Secrets, and its mount."""
    sources = [
        VolumeProjection(
            secret=SecretProjection(
                name=each.name,
                optional=True if each.optional else None,
                items=[KeyToPath(key=key, path=path) for key, path in each.files] or None,
            )
        )
        for each in secrets
    ]
    volume = Volume(name="secrets", projected=ProjectedVolumeSource(default_mode=_MODE, sources=sources))
    return volume, VolumeMount(name="secrets", mount_path=SECRETS_DIR, read_only=True)
