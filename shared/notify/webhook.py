"""Send a notification as an HTTP POST with JSON."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from shared.errors import ConfigurationError, TransientError
from shared.notify.message import token
from shared.post import post

if TYPE_CHECKING:
    from shared.notify.message import Notification
    from shared.notify.settings import NotifySettings

__all__ = ["send"]

# Status codes that may go away within a minute.
_TRANSIENT: Final = frozenset({408, 425, 429})
_REDIRECTED: Final = 300
_SERVER: Final = 500


def send(message: Notification, settings: NotifySettings) -> None:
    """Send a message; the URL may contain a token, so only its host is ever shown.

    Raises:
        TransientError: no answer, or a transient one.
        ConfigurationError: the server rejects the message.
    """
    assert settings.notify_webhook_url is not None
    url = settings.notify_webhook_url.get_secret_value()
    host = urlsplit(url).hostname or "?"
    headers = {"Content-Type": "application/json", "User-Agent": "telecine", "Idempotency-Key": token(message, ":")}
    try:
        status = post(url, message.model_dump_json().encode(), headers, timeout_s=settings.notify_timeout_s)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise TransientError(f"the webhook at {host} does not answer: {reason}", code="webhook_unavailable") from None
    except ValueError as error:
        raise ConfigurationError(
            f"the webhook at {host} cannot be asked: {error}; check TELECINE_NOTIFY_WEBHOOK_URL", code="webhook_refused"
        ) from None
    if status in _TRANSIENT or status >= _SERVER:
        raise TransientError(f"the webhook at {host} answered {status}", code="webhook_unavailable")
    if status >= _REDIRECTED:
        raise ConfigurationError(
            f"the webhook at {host} answered {status}; check TELECINE_NOTIFY_WEBHOOK_URL", code="webhook_refused"
        )
