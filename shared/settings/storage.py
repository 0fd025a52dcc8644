"""How S3 is reached: the fields that every step shares. Credentials are the AWS SDK's own chain's, unless said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt

from shared.settings.base import Settings, setting

__all__ = ["Addressing", "Auth", "S3Options", "StorageSettings"]

Addressing = Literal["auto", "path", "virtual"]
Auth = Literal["ambient", "profile", "static", "anonymous"]


def _endpoint(value: str | None) -> str | None:
    if value is not None and not value.lower().startswith(("http://", "https://")):
        raise ValueError(f"{value!r} is no endpoint; valid is http://host:port or https://host")
    return value.rstrip("/") if value else None


@dataclass(frozen=True, slots=True)
class S3Options:
    """What a client is made from: plain, hashable, and travels to workers.

    Attributes:
        endpoint_url: None is AWS itself.
        region: None leaves it to the SDK's profile.
        path_style: ``host/bucket`` instead of ``bucket.host``; None lets the SDK choose.
        connections: size of the connection pool, and of the pool of threads for parallel ranges.
        attempts: tries of one call, the first included.
        connect_timeout_s: seconds to connect.
        read_timeout_s: seconds between two reads of a body.
        auth: ambient is the SDK's own chain; static signs with the key below; anonymous signs nothing.
        profile: of the SDK's files, for profile.
        access_key_id: for static.
        secret_access_key: its secret.
        session_token: of a temporary key.
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


class StorageSettings(Settings):
    """Fields of the connection to S3, mixed into every step's settings."""

    s3_endpoint_url: Annotated[str | None, AfterValidator(_endpoint)] = setting(
        None,
        default_text="AWS",
        description="URL of an S3 server other than AWS, such as http://localhost:9000.",
        aliases=("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    )
    s3_region: str | None = setting(
        None,
        default_text="the AWS profile's",
        description="Region of the buckets.",
        aliases=("AWS_REGION", "AWS_DEFAULT_REGION"),
    )
    s3_addressing: Addressing = setting(
        "auto",
        description="path puts the bucket behind the host, virtual before it; auto is path where an endpoint is set.",
    )
    s3_connections: PositiveInt = setting(
        16, description="Connections that one process keeps to S3; as many ranges are read side by side."
    )
    s3_attempts: PositiveInt = setting(
        5, description="Tries of a call that fails for a passing reason (throttling, 5xx, timeouts, cut bodies)."
    )
    s3_connect_timeout_s: Annotated[float, Field(gt=0)] = setting(
        5.0, unit="s", description="How long a connection to S3 may take to open."
    )
    s3_read_timeout_s: Annotated[float, Field(gt=0)] = setting(
        30.0, unit="s", description="How long S3 may be silent within an answer."
    )

    def s3_options(self) -> S3Options:
        """Return what a client is made from."""
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
