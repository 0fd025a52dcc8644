"""Settings of all commands that call the Trakt API: key, base URL, retries and request budget."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from shared.errors import ConfigurationError
from shared.settings import Settings, setting
from shared.settings.base import LIMITS, Group

__all__ = ["QUOTA", "WINDOW_S", "ApiSettings", "SourceSystem", "host_of", "is_loopback"]

SourceSystem = Literal["trakt", "replay"]

QUOTA: Final = 500
"""GETs per key that the API allows in any :data:`WINDOW_S`, according to its maintainers; older pages say 1,000."""
WINDOW_S: Final = 300.0

_API: Final = Group("The Trakt API", 15)
_SITE: Final = "https://api.trakt.tv"
_REPLAY_KEY: Final = "replay"
_PRINTABLE: Final = re.compile(r"[ -~]+", re.ASCII)
_KEY: Final = re.compile(r"[!-~]{1,256}", re.ASCII)

Seconds = Annotated[float, Field(gt=0, le=3_600, allow_inf_nan=False)]


def _key(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not _KEY.fullmatch(value.get_secret_value()):
        raise ValueError("expected the client id of an app: letters and digits without spaces")
    return value


def _agent(value: str) -> str:
    if not _PRINTABLE.fullmatch(value) or value != value.strip():
        raise ValueError("expected printable ASCII without line breaks, such as App/1.0.0")
    return value


def host_of(value: str, expected: str) -> str:
    """Return the host of a base URL.

    Args:
        value: the URL.
        expected: what is valid, for the message.

    Raises:
        ValueError: it is not a plain URL of http or https, without user, query and fragment.
    """
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError:
        raise ValueError(expected) from None
    plain = value.isascii() and value.isprintable() and not set(value) & set(" @?#\\<>\"'")
    if not plain or url.scheme not in ("http", "https") or not url.hostname or port == 0:
        raise ValueError(expected)
    return url.hostname


def _site(value: str, info: ValidationInfo) -> str:
    expected = "expected https://host, or http://host:port of a replayer, without user, query or fragment"
    host = host_of(value, expected)
    if info.data.get("source_system") == "replay" and _is_trakt(host):
        raise ValueError("expected the URL of a replayer, because --source-system is replay")
    # Comments of a replayer must not be stored as Trakt's.
    if info.data.get("source_system") == "trakt" and is_loopback(host):
        raise ValueError(
            "expected a URL of Trakt, because --source-system is trakt; for a replayer, set both TRAKT_BASE_URL and"
            " SOURCE_SYSTEM=replay"
        )
    if value.lower().startswith("http:") and not _is_own(value, info.data.get("source_system")):
        raise ValueError(
            "expected https: the key would travel in plain text; http is for a replayer: set both TRAKT_BASE_URL and"
            " SOURCE_SYSTEM=replay"
        )
    return value.rstrip("/")


def _is_trakt(host: str) -> bool:
    name = host.lower().rstrip(".")
    return name == "trakt.tv" or name.endswith(".trakt.tv")


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _is_own(url: str, source: object) -> bool:
    """Return whether a site is a replayer: declared as one, and never Trakt itself."""
    return source == "replay" and not _is_trakt(urlsplit(url).hostname or "")


def _asks_own(info: ValidationInfo) -> bool:
    # An invalid base URL is absent from the data; its own message is enough.
    return "base_url" not in info.data or _is_own(info.data["base_url"], info.data.get("source_system"))


def _quota(value: int, info: ValidationInfo) -> int:
    if (value == 0 or value > QUOTA) and not _asks_own(info):
        raise ValueError(f"expected 1 to {QUOTA}; only a replayer (--source-system replay) may get more requests")
    return value


def _window(value: float, info: ValidationInfo) -> float:
    if value < WINDOW_S and not _asks_own(info):
        raise ValueError(f"expected at least {WINDOW_S:.0f}, except for a replayer (--source-system replay)")
    return value


def _advances(value: bool, info: ValidationInfo) -> bool:
    if value and (info.data.get("request_quota") or not _asks_own(info)):
        raise ValueError("expected a replayer and --request-quota 0: the budget runs on the database's clock")
    return value


class ApiSettings(Settings, pipeline="trakt"):
    """Fields of the API; a mixin for the settings of commands that call it.

    There is no OAuth: with a user's token, the API leaves out comments by users whom that account has blocked.
    """

    client_id: Annotated[SecretStr | None, AfterValidator(_key)] = setting(
        None,
        default_text="none; a replayer accepts any key",
        description="Use this API key: the client id of a Trakt app.",
        detail="Trakt removes apps that are inactive or whose account is not VIP.",
        group=_API,
        aliases=("TRAKT_CLIENT_ID",),
        secret=True,
    )
    client_secret: SecretStr | None = setting(
        None,
        default_text="none",
        description="Accept a client secret, but never use it: public data needs no OAuth.",
        detail="With a user's token, the API leaves out comments by users whom that account has blocked.",
        group=_API,
        aliases=("TRAKT_CLIENT_SECRET",),
        secret=True,
    )
    source_system: SourceSystem = setting(
        "trakt",
        description="Declare whether the base URL is Trakt's or a replayer's.",
        detail="The value is recorded with every row.",
        group=_API,
        aliases=("SOURCE_SYSTEM",),
    )
    base_url: Annotated[str, AfterValidator(_site)] = setting(
        _SITE,
        description="Send API requests to this base URL.",
        detail="http, and an address of this machine, are accepted only with --source-system replay.",
        group=_API,
        aliases=("TRAKT_BASE_URL",),
    )
    user_agent: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_agent)] = setting(
        "telecine/0.1",
        description="Send this User-Agent header.",
        group=_API,
        aliases=("TRAKT_USER_AGENT",),
    )
    max_retries: Annotated[int, Field(ge=0, le=20)] = setting(
        5,
        description="Retry a request up to this many times.",
        detail="429, 5xx, timeouts, incomplete answers, and HTML in place of JSON are retried.",
        group=_API,
        aliases=("TRAKT_MAX_RETRIES",),
    )
    backoff_seconds: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = setting(
        1.0,
        unit="s",
        description="Wait this long before the first retry, then twice as long each time.",
        detail="Waits have jitter. After 502 to 504 and 52x (overload), they are 30 times as long. Waits that the API "
        "demands are respected.",
        group=_API,
        aliases=("TRAKT_BACKOFF_SECONDS",),
    )
    connections: Annotated[int, Field(ge=1, le=16)] = setting(
        4, description="Keep up to this many requests in flight.", group=_API
    )
    connect_timeout_s: Seconds = setting(
        10.0, unit="s", description="Give up connecting to the API after this time.", group=_API
    )
    read_timeout_s: Seconds = setting(
        30.0, unit="s", description="Give up on an answer if the API sends nothing for this long.", group=_API
    )
    total_timeout_s: Seconds = setting(
        120.0, unit="s", description="Give up on an answer that is still incomplete after this time.", group=_API
    )
    request_quota: Annotated[int, Field(ge=0, le=1_000_000), AfterValidator(_quota)] = setting(
        QUOTA,
        description="Send at most this many requests per window; 0 (replayer only): no limit.",
        detail="All processes with the same key and database share the quota. Lower it if other programs use the key.",
        group=LIMITS,
    )
    request_window_s: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False), AfterValidator(_window)] = setting(
        WINDOW_S, unit="s", description="Apply --request-quota to any window of this length.", group=LIMITS
    )
    request_lease_s: Seconds = setting(
        10.0,
        unit="s",
        description="Send a reserved request within this time, or return the reservation.",
        detail="Reservations of a killed process expire after the lease, the timeout and the window.",
        group=LIMITS,
    )
    advance_replayer: Annotated[bool, AfterValidator(_advances)] = setting(
        False,
        description="Advance the replayer's clock instead of waiting.",
        detail="Requires a replayer and --request-quota 0.",
        group=LIMITS,
    )

    @property
    def is_replayer(self) -> bool:
        """Return whether the base URL is a replayer's."""
        return _is_own(self.base_url, self.source_system)

    @property
    def is_local(self) -> bool:
        """Return whether the base URL is on this machine; then no proxy is used."""
        return is_loopback(urlsplit(self.base_url).hostname or "")

    def key(self) -> SecretStr:
        """Return the key.

        Raises:
            ConfigurationError: no key is set, and the API is not a replayer, which accepts any key.
        """
        if self.client_id is not None:
            return self.client_id
        if self.is_replayer:
            return SecretStr(_REPLAY_KEY)
        raise ConfigurationError(
            "TRAKT_CLIENT_ID is not set; expected the client id of an app at https://trakt.tv/oauth/applications."
            " Without one, start `telecine trakt replayer`, and set TRAKT_BASE_URL to its URL, and"
            " SOURCE_SYSTEM=replay.",
            code="key_missing",
        )

    def key_hash(self) -> str:
        """Return the SHA-256 of a prefix and the key; it identifies the key in the budget's tables.

        A replayer has a prefix of its own, so its requests do not use up the API's quota.

        Raises:
            ConfigurationError: as :meth:`key`.
        """
        prefix = "telecine trakt replayer key:" if self.is_replayer else "telecine trakt key:"
        return hashlib.sha256(f"{prefix}{self.key().get_secret_value()}".encode()).hexdigest()
