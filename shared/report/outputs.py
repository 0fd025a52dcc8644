"""Output parameters: one small file each, in the folder that ``TELECINE_OUTPUTS_DIR`` names, for Argo to pick up."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.report.model import Report

__all__ = ["FOLDER_VARIABLE", "begin", "put", "write"]

FOLDER_VARIABLE: Final = "TELECINE_OUTPUTS_DIR"

_LOG: Final = logging.getLogger(__name__)
# What is there when the step is killed: Argo wants every file that a template names.
_NOTHING: Final = {"status": "failed", "items": "0", "failed": "0", "seconds": "0", "rejects": "[]"}


def begin() -> None:
    """Write the five parameters that every step has, as they are when nothing was done."""
    put(_NOTHING)


def write(report: Report) -> None:
    """Write what a step reports: status, items, failed, seconds, rejects, and each of its counts.

    ``rejects`` is a JSON list of ``{"code": …, "count": …}``, the most frequent first. A count's name has ``-`` for
    ``_`` and ``.``: ``extract.done_before`` is ``extract-done-before``.

    Args:
        report: complete.
    """
    counts = {name.replace("_", "-").replace(".", "-"): str(value) for name, value in report.counts.items()}
    rejects = sorted(report.rejects.items(), key=lambda entry: (-entry[1], entry[0]))
    failed = report.counts.get("failed", len(report.failures) + report.failures_truncated)
    put(
        {
            **counts,
            "status": report.status,
            "items": str(report.items),
            "failed": str(failed),
            "seconds": f"{report.seconds:.3f}",
            "rejects": json.dumps([{"code": code, "count": count} for code, count in rejects]),
        }
    )


def put(values: Mapping[str, str]) -> None:
    """Write parameters: name -> value; nothing where no folder is named."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, value in values.items():
            (Path(folder) / name).write_text(value, encoding="utf-8")
    except OSError as error:
        # What the step did is committed; its exit code must tell of that and not of this.
        _LOG.warning("output parameters could not be written to %s: %s", folder, error)
