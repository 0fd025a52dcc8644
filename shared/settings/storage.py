"""Settings of the S3 connection (``AWS_ENDPOINT_URL_S3``); credentials come from the AWS SDK's chain or the store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, PositiveInt

from shared.settings.base import Group, Settings, setting

__all__ = ["Addressing", "Auth", "S3Options", "StorageSettings"]

Addressing = Literal["auto", "path", "virtual"]
Auth = Literal["ambient", "profile", "static", "anonymous"]


def _endpoint(value: str | None) -> str | None:
    if value is not None and not value.lower().startswith(("http://", "https://")):
        raise ValueError(f"{value!r} is not an endpoint; expected http://host:port or https://host")
    return value.rstrip("/") if value else None


@dataclass(frozen=True, slots=True)
class S3Options:
    """Options of an S3 client, plain and hashable so that they can be sent to workers.

    Attributes:
        endpoint_url: URL of the S3 server; None for AWS itself.
        region: region; None to use the SDK's profile.
        path_style: True for ``host/bucket`` instead of ``bucket.host``; None lets the SDK choose.
        connections: size of the connection pool, and of the thread pool for parallel ranges.
        attempts: number of tries per call, including the first.
        connect_timeout_s: maximum seconds to connect.
        read_timeout_s: maximum seconds between two reads of a body.
        auth: ambient uses the SDK's own chain, profile a profile of it, static the key below; anonymous does not sign.
        profile: name of a profile in the SDK's files, if auth is profile.
        access_key_id: access key, if auth is static.
        secret_access_key: secret of the access key.
        session_token: session token of a temporary key.
    """

    endpoint_url: str | None = None
    region: str | None = None
    path_style: bool | None = None
    connections: int = 16
    attempts: int = 5
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0
    auth: Auth = "ambient"
    profile: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)


_S3: Final = Group("S3", 50)


class StorageSettings(Settings):
    """Fields of the S3 connection; a mixin for every step's settings."""

    s3_endpoint_url: Annotated[str | None, AfterValidator(_endpoint)] = setting(
        None,
        default_text="AWS",
        description="Use this S3 server instead of AWS, such as http://localhost:9000.",
        group=_S3,
        aliases=("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    )
    s3_region: str | None = setting(
        None,
        default_text="the AWS profile's",
        description="Set the region of the buckets.",
        group=_S3,
        aliases=("AWS_REGION", "AWS_DEFAULT_REGION"),
    )
    s3_addressing: Addressing = setting(
        "auto",
        description="Address buckets by path (host/bucket) or as virtual hosts (bucket.host).",
        detail="auto uses path if an endpoint is set.",
        group=_S3,
    )
    s3_connections: PositiveInt = setting(
        16,
        description="Keep up to this many connections to S3 per process.",
        detail="The same number of ranges is read in parallel.",
        group=_S3,
    )
    s3_attempts: PositiveInt = setting(
        5,
        description="Try a call this many times in total if it fails transiently.",
        detail="Throttling, 5xx, timeouts and truncated bodies are transient.",
        group=_S3,
    )
    s3_connect_timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = setting(
        5.0, unit="s", description="Give up connecting to S3 after this time.", group=_S3
    )
    s3_read_timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = setting(
        30.0, unit="s", description="Give up on a response if S3 sends nothing for this long.", group=_S3
    )

    def s3_options(self) -> S3Options:
        """Return the options of an S3 client."""
        path_style = {"path": True, "virtual": False}.get(self.s3_addressing, True if self.s3_endpoint_url else None)
        return S3Options(
            endpoint_url=self.s3_endpoint_url,
            region=self.s3_region,
            path_style=path_style,
            connections=self.s3_connections,
            attempts=self.s3_attempts,
            connect_timeout_s=self.s3_connect_timeout_s,
            read_timeout_s=self.s3_read_timeout_s,
        )
