"""Follow the driver's log through the HTTP job API of the Ray head."""

from __future__ import annotations

import http.client
import json
import logging
import os
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared import logs
from shared.progress import write_argo
from shared.streams import write_error
from shared.text import as_json

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DriverLog", "fetch_log", "show_line"]

_LOG: Final = logging.getLogger(__name__)
_TIMEOUT_S: Final = 10
# A day's log is a few MB; the launcher may use 1 GiB.
_MAX_BYTES: Final = 128 << 20
# The first characters distinguish one driver's log from the next: the first line contains its time.
_BEGINNING: Final = 512


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, because code in the head pod could send the launcher to any host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def fetch_log(dashboard: str, job_id: str, *, token: str | None = None) -> str:
    """Return the whole log of a job.

    Args:
        dashboard: ``host:port``, from the RayJob's status.
        job_id: id of the submission.
        token: the token of the Ray cluster; None sends none.

    Raises:
        OSError: the head does not answer, or not with a log.
    """
    url = f"http://{dashboard.removeprefix('http://')}/api/jobs/{job_id}/logs"
    request = urllib.request.Request(url)
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    # The head is inside the cluster: a proxy could not reach it, and would see the token.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)
    try:
        with direct.open(request, timeout=_TIMEOUT_S) as answer:
            return str(json.loads(answer.read(_MAX_BYTES))["logs"])
    except (ValueError, KeyError, TypeError, RecursionError, http.client.HTTPException) as error:
        raise OSError(f"{url} returned no log: {error!r}") from error


def show_line(line: str) -> None:
    """Write one line of the driver as if it were the launcher's; progress is written to Argo's file."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or "message" not in found:
        # Lines of Ray or other libraries.
        _LOG.info("%s", line, extra={"from": "driver"})
        return
    _write_progress(found)
    if logs.is_human():
        _LOG.log(logging.getLevelNamesMapping().get(str(found.get("level")), logging.INFO), "%s", found["message"])
    else:
        # Written again, since not every process of the cluster hides secrets and escapes as we do.
        try:
            text = as_json(found)
        except RecursionError:
            text = as_json({**{name: found.get(name) for name in ("ts", "level", "logger")}, "message": line})
        write_error(text)


def _write_progress(line: dict[str, Any]) -> None:
    path, done, total = os.environ.get("ARGO_PROGRESS_FILE"), line.get("done"), line.get("total")
    if path and isinstance(done, int) and isinstance(total, int):
        write_argo(Path(path), done, total)


class DriverLog:
    """Follows a log that is always returned as a whole, and shows each complete line once.

    Args:
        show: receives each line.
        fetch: returns the log so far for the dashboard's address and the job's id; raises ``OSError``.
    """

    def __init__(self, show: Callable[[str], None] = show_line, fetch: Callable[[str, str], str] = fetch_log) -> None:
        self._show = show
        self._fetch = fetch
        self._beginning = ""
        self._shown = 0
        self._warned = False

    def poll(self, dashboard: str, job_id: str, *, last: bool = False) -> bool:
        """Show new lines.

        Args:
            dashboard: ``host:port``.
            job_id: id of the submission.
            last: the driver has ended, so show an unfinished line as well.

        Returns:
            Whether the head answered.
        """
        try:
            text = self._fetch(dashboard, job_id)
        except OSError as error:
            if not self._warned:
                self._warned = True
                _LOG.warning("cannot read the driver's log at %s (%s); the run continues", dashboard, error)
            return False
        self._warned = False
        if not text.startswith(self._beginning):
            # The head was replaced, and KubeRay has submitted the job again.
            _LOG.warning("the driver has restarted")
            self._shown = 0
        end = len(text) if last else text.rfind("\n") + 1
        # Only at line feeds: str.splitlines also ends lines at characters that a name may contain.
        for line in text[self._shown : end].split("\n"):
            if line.strip():
                self._show(line)
        self._shown = max(self._shown, end)
        self._beginning = text[: min(_BEGINNING, self._shown)]
        return True
