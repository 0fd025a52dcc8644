"""The channels that are configured: a webhook, a mail server, both or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.notify import mail, webhook

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.notify.message import Notification
    from shared.notify.settings import NotifySettings

__all__ = ["channels"]


def channels(settings: NotifySettings) -> dict[str, Callable[[Notification, NotifySettings], None]]:
    """Return the functions that send a notification, by the name of the channel."""
    found: dict[str, Callable[[Notification, NotifySettings], None]] = {}
    if settings.notify_webhook_url is not None:
        found["webhook"] = webhook.send
    if settings.notify_smtp_host:
        found["mail"] = mail.send
    return found
