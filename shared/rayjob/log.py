"""The driver's log, read through the HTTP job API of the Ray head."""

from __future__ import annotations

import json
import logging
import os
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared import logs
from shared.progress import write_argo

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DriverLog", "fetch_log", "show_line"]

_LOG: Final = logging.getLogger(__name__)
_TIMEOUT_S: Final = 10
# So many characters tell one driver's log from the next one's: the first line holds its time.
_BEGINNING: Final = 512


def fetch_log(dashboard: str, job_id: str) -> str:
    """Return the whole log of a job.

    Args:
        dashboard: ``host:port``, as the RayJob's status names it.
        job_id: the submission's.

    Raises:
        OSError: the head does not answer, or not with a log.
    """
    url = f"http://{dashboard.removeprefix('http://')}/api/jobs/{job_id}/logs"
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
        try:
            return str(json.load(answer)["logs"])
        except (ValueError, KeyError, TypeError) as error:
            raise OSError(f"{url} gave no log: {error}") from error


def show_line(line: str) -> None:
    """Write one line of the driver as if it were the launcher's own; its progress goes into Argo's file."""
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "message" not in found:
        # Ray's own lines, and whatever a library prints.
        _LOG.info("%s", line, extra={"from": "driver"})
        return
    _note_progress(found)
    if logs.is_human():
        _LOG.log(logging.getLevelNamesMapping().get(str(found.get("level")), logging.INFO), "%s", found["message"])
    else:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def _note_progress(line: dict[str, Any]) -> None:
    path, done, total = os.environ.get("ARGO_PROGRESS_FILE"), line.get("done"), line.get("total")
    if path and isinstance(done, int) and isinstance(total, int):
        write_argo(Path(path), done, total)


class DriverLog:
    """Follows a log that is only ever given as a whole, and shows each whole line once.

    Args:
        show: takes a line.
        fetch: gives the log so far, from the dashboard's address and the job's id; raises ``OSError``.
    """

    def __init__(self, show: Callable[[str], None] = show_line, fetch: Callable[[str, str], str] = fetch_log) -> None:
        self._show = show
        self._fetch = fetch
        self._beginning = ""
        self._shown = 0
        self._told = False

    def poll(self, dashboard: str, job_id: str, *, last: bool = False) -> bool:
        """Show what is new.

        Args:
            dashboard: ``host:port``.
            job_id: the submission's.
            last: the driver has ended: an unfinished line is shown, too.

        Returns:
            Whether the head answered.
        """
        try:
            text = self._fetch(dashboard, job_id)
        except OSError as error:
            if not self._told:
                self._told = True
                _LOG.warning("the driver's log cannot be read at %s now (%s); the run goes on", dashboard, error)
            return False
        self._told = False
        if not text.startswith(self._beginning):
            # The head was replaced, and KubeRay has submitted the job anew.
            _LOG.warning("the driver began anew")
            self._shown = 0
        end = len(text) if last else text.rfind("\n") + 1
        for line in text[self._shown : end].splitlines():
            if line.strip():
                self._show(line)
        self._shown = max(self._shown, end)
        self._beginning = text[: min(_BEGINNING, self._shown)]
        return True
