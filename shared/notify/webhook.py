"""Send a notification as an HTTP POST with JSON."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from shared.errors import ConfigurationError, TransientError
from shared.notify.message import token

if TYPE_CHECKING:
    from shared.notify.message import Notification
    from shared.notify.settings import NotifySettings

__all__ = ["send"]

# Status codes that may go away within a minute.
_TRANSIENT: Final = frozenset({408, 425, 429})
_SERVER: Final = 500


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: urllib would turn the POST into a GET, and the message would be lost with a 200."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def send(message: Notification, settings: NotifySettings) -> None:
    """Send a message; the URL may contain a token, so only its host is ever shown.

    Raises:
        TransientError: no answer, or a transient one.
        ConfigurationError: the server rejects the message.
    """
    assert settings.notify_webhook_url is not None
    url = settings.notify_webhook_url.get_secret_value()
    host = urlsplit(url).hostname or "?"
    request = urllib.request.Request(  # noqa: S310 - the settings accept only http and https
        url,
        data=message.model_dump_json().encode(),
        headers={"Content-Type": "application/json", "User-Agent": "telecine", "Idempotency-Key": token(message, ":")},
        method="POST",
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=settings.notify_timeout_s):
            pass
    except urllib.error.HTTPError as error:
        with error:
            status = error.code
        if status in _TRANSIENT or status >= _SERVER:
            raise TransientError(f"the webhook at {host} answered {status}", code="webhook_unavailable") from None
        raise ConfigurationError(
            f"the webhook at {host} answered {status}; check TELECINE_NOTIFY_WEBHOOK_URL", code="webhook_refused"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise TransientError(f"the webhook at {host} does not answer: {reason}", code="webhook_unavailable") from None
