"""The command `telecine doctor`: the findings of `shared`, plus those about the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.console.findings import examine
from shared.doctor import commands

if TYPE_CHECKING:
    from shared.doctor.settings import DoctorSettings

__all__ = ["doctor"]


def doctor(settings: DoctorSettings) -> tuple[str, int]:
    """Examine the installation; return the findings as text or JSON, and the exit code."""
    return commands.doctor(settings, examine)
