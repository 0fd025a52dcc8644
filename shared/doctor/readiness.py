"""Ask a console whether it is ready."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Final

from shared.finding import Finding
from shared.text import one_line

__all__ = ["examine"]

_AREA: Final = "console"
# Longer than the console's statement timeout, so that it can respond with the reason.
_TIMEOUT_S: Final = 10.0
_MOST_BYTES: Final = 4_096


def examine(url: str) -> Finding:
    """Return a finding about the console at a URL, from its answer to ``/readyz``."""
    url = url.rstrip("/")
    fix = "See the log of its pods."
    try:
        # The setting's pattern allows http and https only.
        with urllib.request.urlopen(f"{url}/readyz", timeout=_TIMEOUT_S) as answer:  # noqa: S310
            status, body = answer.status, answer.read(_MOST_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.code, error.read(_MOST_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = one_line(str(error) or type(error).__name__)
        return Finding(_AREA, url, "fail", f"cannot be reached: {reason}", "Check the URL.", retryable=True)
    try:
        document = json.loads(body)
        code = document.get("code", document["status"])
    except (ValueError, KeyError, AttributeError):
        message = f"answers {status} to /readyz, but is not a console"
        return Finding(_AREA, url, "fail", message, "Check the URL.")
    if status == http.client.OK:
        return Finding(_AREA, url, "ok", "ready")
    return Finding(_AREA, url, "fail", f"not ready: {one_line(str(code))}", fix, retryable=True)
