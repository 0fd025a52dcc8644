"""POST a document within a time limit, without following redirects."""

from __future__ import annotations

import http.client
import threading
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["post"]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: urllib would turn the POST into a GET, and send its headers to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def post(url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float) -> int:
    """Send a POST, and return the status of the answer, whose body is not read.

    The limit applies to the whole exchange. A socket's timeout applies to each read, so a server that sends a byte at a
    time could hold its client for hours.

    Args:
        url: an http or https URL.
        body: the document.
        headers: headers.
        timeout_s: seconds.

    Raises:
        TimeoutError: no answer arrived in time.
        OSError: the connection failed.
        http.client.HTTPException: the answer is not HTTP.
        ValueError: the URL has characters that a request cannot have.
    """
    request = urllib.request.Request(url, data=body, headers=dict(headers), method="POST")  # noqa: S310 - of settings
    statuses: list[int] = []
    errors: list[Exception] = []

    def send() -> None:
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=timeout_s) as answer:
                statuses.append(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                statuses.append(error.code)
        except http.client.InvalidURL:
            # Its message quotes the path, which may be a secret.
            errors.append(ValueError("the URL has characters that a request cannot have"))
        except Exception as error:  # noqa: BLE001 - raised again by the caller's thread
            errors.append(error)

    # Names are resolved without a timeout, too: only another thread can be left behind, and it ends with the process.
    sender = threading.Thread(target=send, name="post", daemon=True)
    sender.start()
    sender.join(timeout_s)
    if errors:
        raise errors[0]
    if not statuses:
        raise TimeoutError(f"no answer within {timeout_s:g} s")
    return statuses[0]
