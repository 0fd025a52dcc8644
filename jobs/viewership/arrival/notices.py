"""Notify users of uploads that wait for a choice or an answer: one message for all new ones, once per channel.

A notice is claimed in a transaction of its own, sent, and recorded as sent. After a crash between sending and
recording, the same notice is sent again, because a lost message would leave an upload waiting unnoticed. Both messages
have the same id, so receivers can drop the second. Only one process sends at a time; the others skip sending.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from jobs.viewership.tables import arrivals
from shared.database.session import transaction
from shared.errors import TelecineError
from shared.notify.channels import channels
from shared.notify.message import FIRST_ERRORS, ErrorLine, Notification
from shared.notify.settings import NotifySettings

if TYPE_CHECKING:
    from jobs.viewership.tables.arrivals import Waiting
    from shared.settings.database import DatabaseSettings

__all__ = ["notify_waiting"]

_LOG: Final = logging.getLogger(__name__)


def notify_waiting(settings: DatabaseSettings, run_id: str, notify: NotifySettings | None = None) -> list[str]:
    """Send one message about all waiting uploads that were not announced yet; never raise.

    Without a channel nothing is recorded: uploads that still wait are announced once a channel is configured.

    Args:
        settings: the database.
        run_id: the run, for the message.
        notify: the channels; None reads the environment.

    Returns:
        The channels that sent a message.
    """
    try:
        notify = NotifySettings() if notify is None else notify
        send = {} if notify.notify_on == "never" else channels(notify)
        if not send:
            return []
        with transaction(settings) as session:
            arrivals.claim_notice(session, list(send))
    except (TelecineError, ValueError) as error:
        _LOG.warning("waiting uploads could not be announced: %s", error)
        return []
    return [channel for channel in send if _send(settings, run_id, notify, channel)]


def _send(settings: DatabaseSettings, run_id: str, notify: NotifySettings, channel: str) -> bool:
    """Send the open notices of one channel, and return whether any was sent."""
    sent = False
    try:
        while True:
            with transaction(settings) as session:
                notices = arrivals.open_notices(session, channel)
                if not notices:
                    return sent
                if found := arrivals.waiting(session, notices[0], channel):
                    channels(notify)[channel](_message(found, run_id, f"{notices[0]}:{channel}"), notify)
                    sent = True
                arrivals.mark_sent(session, notices[0], channel)
    except (TelecineError, ValueError, OSError) as error:
        _LOG.warning("%s: waiting uploads are not announced yet; the next poll retries: %s", channel, error)
    return sent


def _message(found: list[Waiting], run_id: str, notice_id: str) -> Notification:
    count = len(found)
    what = "1 upload waits" if count == 1 else f"{count} uploads wait"
    rest = f" The first {FIRST_ERRORS} are listed." if count > FIRST_ERRORS else ""
    codes = Counter(each.code or "WAITING" for each in found)
    return Notification(
        id=notice_id,
        event="upload.waiting",
        pipeline="viewership",
        run_id=run_id,
        status="waiting",
        step="upload",
        code=next(iter(codes)) if len(codes) == 1 else None,
        message=f"{what} for a choice or an answer; upload it again with the flags named in its message:"
        f" telecine viewership upload URI FLAGS.{rest}",
        errors=[
            ErrorLine(item=each.uri, code=each.code or "WAITING", message=each.message or "")
            for each in found[:FIRST_ERRORS]
        ],
        rejects=dict(sorted(codes.items())),
        at=datetime.now(UTC),
    )
