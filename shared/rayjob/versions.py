"""Versions that launcher, head and workers of a Ray cluster must share."""

from __future__ import annotations

import json
import os
import platform
import re
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Final

from shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VARIABLE", "Versions", "check_versions", "launcher_versions", "versions_here"]

# The launcher passes its own versions to the driver in this variable.
VARIABLE: Final = "TELECINE_LAUNCHER_VERSIONS"


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions in one image.

    Attributes:
        revision: telecine's commit; None if the image does not say.
        ray: Ray's version, or the one that telecine requires if Ray is not installed.
        python: major and minor version: Ray's pickles work only between equal ones.
    """

    revision: str | None
    ray: str
    python: str

    def dumps(self) -> str:
        """Return the versions as one line of JSON."""
        return json.dumps(asdict(self))


def versions_here() -> Versions:
    """Return the versions of this process's image."""
    return Versions(
        revision=os.environ.get("TELECINE_REVISION") or None,
        ray=_ray(),
        python=".".join(platform.python_version_tuple()[:2]),
    )


def launcher_versions() -> Versions | None:
    """Return the versions that the launcher passed on, or None without a launcher."""
    given = os.environ.get(VARIABLE)
    return Versions(**json.loads(given)) if given else None


def check_versions(found: Mapping[str, Versions]) -> None:
    """Reject a cluster with mixed versions.

    Args:
        found: versions by place, such as ``launcher``, ``head``, ``worker telecine-…``. An unknown revision matches
            every other.

    Raises:
        ConfigurationError: a version differs; the message lists each place with its version.
    """
    for name in ("revision", "ray", "python"):
        values = {place: getattr(versions, name) for place, versions in found.items()}
        if len({value for value in values.values() if value is not None}) > 1:
            found_versions = ", ".join(f"{place} has {value or 'none'}" for place, value in values.items())
            raise ConfigurationError(
                f"the {name} differs within one run: {found_versions}; use images from one build (TELECINE_RAY_IMAGE, "
                "TELECINE_RAY_GPU_IMAGE, and the image of the launcher)",
                **values,
            )


def _ray() -> str:
    try:
        return metadata.version("ray")
    except metadata.PackageNotFoundError:
        pass
    # The launcher's image does not contain Ray; use the version that telecine requires.
    for requirement in metadata.requires("telecine") or ():
        if match := re.match(r"ray(?:\[[^]]*\])?\s*==\s*([\w.]+)", requirement):
            return match[1]
    return "unknown"
