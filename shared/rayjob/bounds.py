"""Reject more Ray workers than an installation allows (`maxWorkers`), whatever the form asks for, with exit code 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from shared.errors import ConfigurationError, UsageError
from shared.rayjob.settings import RaySettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.rayjob.settings import WorkerGroup

__all__ = ["check_workers", "read_settings"]

_BY_THE_FORM = frozenset({"cpu_workers", "gpu_workers"})


def read_settings() -> RaySettings:
    """Read the settings of a RayJob from the environment.

    Raises:
        UsageError: a number of workers, which a form may set, is not a number.
        ConfigurationError: another variable is not valid.
    """
    try:
        return RaySettings()
    except ValidationError as error:
        wrong = {
            str(each["loc"][0]): f"{RaySettings.variables(str(each['loc'][0]))[0]}:"
            f" {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors()
        }
        kind = UsageError if set(wrong) <= _BY_THE_FORM else ConfigurationError
        raise kind("; ".join(wrong.values())) from error


def check_workers(settings: RaySettings, groups: Iterable[WorkerGroup]) -> None:
    """Reject more workers than the installation allows.

    Raises:
        UsageError: a group has too many workers.
    """
    wrong = []
    for group in groups:
        workers, most = getattr(settings, f"{group}_workers"), getattr(settings, f"{group}_max_workers")
        if workers > most:
            wrong.append(
                f"{group}-workers {workers} exceeds this installation's limit; expected at most {most}; ask for fewer,"
                f" or have the operator raise ray.{group}.maxWorkers of the chart"
                f" (TELECINE_RAY_{group.upper()}_MAX_WORKERS)"
            )
    if wrong:
        raise UsageError("\n".join(wrong))
