"""Output parameters for Argo: one small file each, in the folder that ``TELECINE_OUTPUTS_DIR`` names."""

from __future__ import annotations

import json
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.text import inert

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.report.model import Report

__all__ = ["FOLDER_VARIABLE", "begin", "put", "write"]

FOLDER_VARIABLE: Final = "TELECINE_OUTPUTS_DIR"

_LOG: Final = logging.getLogger(__name__)
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
# Values in case the step is killed: Argo requires every file that a template names.
_NOTHING: Final = {"status": "failed", "items": "0", "failed": "0", "seconds": "0", "rejects": "[]"}


def begin() -> None:
    """Write the five parameters that every step has, with the values for a step that did nothing."""
    put(_NOTHING)


def write(report: Report) -> None:
    """Write the results of a step: status, items, failed, seconds, rejects, and each of its counts.

    ``rejects`` is a JSON list of ``{"code": …, "count": …}``, most frequent first. In names of counts, ``-`` replaces
    ``_`` and ``.``: ``extract.done_before`` becomes ``extract-done-before``.

    Args:
        report: the complete report.
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
    """Write parameters: name -> value; does nothing if no folder is configured.

    Argo inserts the values into expressions and into other people's templates, where nothing in them may be evaluated.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, value in values.items():
            if not _NAME.fullmatch(name):  # a driver's report, which user code may have written, must not name a path
                _LOG.warning("the output parameter %r has no valid name; left out", name)
                continue
            (Path(folder) / name).write_text(inert(value), encoding="utf-8")
    except OSError as error:
        # The step's work is committed; its exit code must reflect that, not this.
        _LOG.warning("cannot write output parameters to %s: %s", folder, error)
