"""Errors from answers: messages name the status, Cloudflare's ray id and the next step, and never the key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.trakt.api.retry import LONGEST_S, longest_waits
from jobs.trakt.errors import (
    PAGE_CODES,
    AccountLimit,
    AccountLocked,
    EdgeBlocked,
    KeyRefused,
    PageFailed,
    RateLimited,
    Unauthorized,
    VipOnly,
)
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.trakt.api.wire import Exchange
    from jobs.trakt.settings.api import ApiSettings
    from shared.errors import TelecineError

__all__ = ["no_answer_yet", "page_failed", "stopped"]

_KINDS: Final[Mapping[str, type[TelecineError]]] = {
    kind.default_code: kind
    for kind in (AccountLimit, AccountLocked, EdgeBlocked, KeyRefused, RateLimited, Unauthorized, VipOnly)
}
_WORDS: Final[Mapping[str, str]] = {
    "KEY_REFUSED": (
        "{site} does not accept the key of TRAKT_CLIENT_ID ({facts}); expected the client id of an active app: apps are"
        " removed when inactive or when the account is not VIP. Nothing more was sent. Check the app at"
        " https://trakt.tv/oauth/applications, then run the command again"
    ),
    "UNAUTHORIZED": (
        "{site} asks for a login ({facts}); expected an answer to the key of TRAKT_CLIENT_ID alone, because public"
        " resources need no login. Nothing more was sent. Check TRAKT_CLIENT_ID and TRAKT_BASE_URL"
    ),
    "ACCOUNT_LIMIT": (
        "a limit of the account behind TRAKT_CLIENT_ID is reached ({facts}{limit}); expected an account below it."
        " Nothing more was sent. Raise the limit at {site}, or use the key of another app"
    ),
    "ACCOUNT_LOCKED": (
        "the account behind TRAKT_CLIENT_ID is locked or deactivated ({facts}); expected an active account. Nothing"
        " more was sent. Contact Trakt's support, or use the key of another app"
    ),
    "VIP_ONLY": (
        "{site} serves this resource to VIP accounts only ({facts}); expected the key of a VIP account's app in"
        " TRAKT_CLIENT_ID. Nothing more was sent"
    ),
    "EDGE_BLOCKED": (
        "the edge in front of {site} blocks this client ({facts}); expected answers by the API. Nothing more was sent,"
        " because each request makes a ban longer. Run the command again in an hour, and name the cf-ray if you report"
        " the block"
    ),
    "RATE_LIMITED": (
        "{site} demands a wait of more than {longest:.0f} s ({facts}); expected a shorter one. Nothing more was sent."
        " Run the command again later, and look for other programs that use the key of TRAKT_CLIENT_ID"
    ),
}


def stopped(code: str, exchange: Exchange, settings: ApiSettings) -> TelecineError:
    """Return the error that ends a run.

    Args:
        code: the code of a verdict whose action is ``stop``.
        exchange: the answer.
        settings: for the site's name.
    """
    limit = exchange.headers.get("x-account-limit")
    message = _WORDS[code].format(
        site=clean_text(settings.base_url, 200),
        facts=_facts(exchange),
        limit=f", limit {clean_text(limit, 20)}" if limit else "",
        longest=LONGEST_S,
    )
    return _KINDS[code](f"{message}.", status=exchange.status, cf_ray=_ray(exchange))


def page_failed(code: str, exchange: Exchange, path: str, attempts: int) -> PageFailed:
    """Return the error of one request.

    Args:
        code: of :data:`jobs.trakt.errors.PAGE_CODES`.
        exchange: the last attempt.
        path: path of the request.
        attempts: how many times it was sent.
    """
    tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    return PageFailed(
        f"{clean_text(path, 300)}: {PAGE_CODES[code]} ({_facts(exchange)}, {tries})",
        code=code,
        path=path,
        status=exchange.status,
        attempts=attempts,
        cf_ray=_ray(exchange),
    )


def no_answer_yet(code: str, exchange: Exchange, settings: ApiSettings, retries: int) -> str:
    """Return the warning about the first failed attempt of a run in which nothing has succeeded yet.

    Args:
        code: of :data:`jobs.trakt.errors.PAGE_CODES`.
        exchange: the attempt.
        settings: for the site's name and the waits.
        retries: how often the request is sent again.
    """
    waits = longest_waits(code, retries=retries, backoff_s=settings.backoff_seconds)
    return (
        f"{clean_text(settings.base_url, 200)}: {PAGE_CODES[code]} ({_facts(exchange)}); nothing has succeeded yet;"
        f" trying again for up to {waits:.0f} s"
    )


def _facts(exchange: Exchange) -> str:
    ray = _ray(exchange)
    said = f"status {exchange.status}" if exchange.status else (clean_text(exchange.reason, 200) or "no answer")
    return f"{said}, cf-ray {ray}" if ray else said


def _ray(exchange: Exchange) -> str:
    return clean_text(" ".join(exchange.headers.get("cf-ray", "").split()), 64)
