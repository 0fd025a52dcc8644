"""Write report.json and report.html."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from shared.errors import TelecineError
from shared.logs import in_pod
from shared.text import as_json

if TYPE_CHECKING:
    from shared.report.model import Report
    from shared.settings import StepSettings

__all__ = ["FILE", "folder_of", "sweep", "write"]

FILE: Final = "report.html"
"""Name of the page in a report's folder."""


def folder_of(settings: StepSettings, run_id: str) -> str | None:
    """Return where a step writes its report: a folder or a URI; None in a pod that sets none."""
    if settings.report_dir is not None:
        return settings.report_dir
    # A pod's root file system is read-only; the template sets a folder if the step has a report.
    # Joined as text: state_dir may become a URI.
    return None if in_pod() else os.path.join(settings.state_dir, "reports", run_id)  # noqa: PTH118


def write(report: Report, folder: str, settings: StepSettings | None = None) -> dict[str, str]:
    """Write a report's two files.

    Args:
        report: the report to write.
        folder: a folder, or a URI (``s3://bucket/prefix``, ``file:///folder``).
        settings: how to reach S3; None uses the defaults.

    Returns:
        ``report.json`` and ``report.html`` -> path or URI.

    Raises:
        TelecineError: the folder cannot be written; the store's own typed error.
    """
    from shared.report.page import render
    from shared.storage import put_uri

    place = folder.rstrip("/")
    page = (render(report) if report.page is None else report.page).encode()
    document = as_json(report.model_dump(mode="json"), indent=2)
    bodies = {"report.json": document.encode() + b"\n", FILE: page}
    places = {name: f"{place}/{name}" for name in bodies}
    for name, body in bodies.items():
        put_uri(places[name], body, settings)
    return places


def sweep(folder: str) -> None:
    """Delete old leftovers of killed writes in a local folder with one subfolder per run.

    The folder of a killed run is never written to again, so nothing else would delete them.
    """
    from shared.storage import FileStore

    with suppress(TelecineError):
        for _ in FileStore(folder).list():
            pass  # listing deletes old temporary files
