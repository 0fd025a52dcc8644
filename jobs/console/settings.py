"""Settings of the console."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PositiveInt

from shared.errors import ConfigurationError
from shared.limits import REPORT_BYTES
from shared.logs import in_pod
from shared.settings.base import HOW_IT_RUNS, LIMITS, RECORDS, WHERE, Group, setting
from shared.settings.database import DatabaseSettings
from shared.settings.step import LogLevel  # noqa: TC001 - pydantic resolves the annotations of fields
from shared.settings.storage import StorageSettings
from shared.storage.uris import Bucket, Place, default_bucket, normalise

__all__ = [
    "AccessMode",
    "ConsoleSettings",
    "IssueSettings",
    "LaunchMode",
    "RevokeSettings",
    "RoleName",
    "TokensSettings",
]

AccessMode = Literal["local", "proxy", "token"]
LaunchMode = Literal["workflow", "process", "off"]
RoleName = Literal["viewer", "uploader", "reviewer"]

_ACCESS: Final = Group("Access", 20)
_TOKEN: Final = Group("Token", 10)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
# Names are shown, logged and typed again in `token revoke`.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")
# A host as browsers send it: an ASCII name (punycode) or an IPv6 address.
_HOST: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f:.]*:[0-9a-f:.]*")
# Without underscores: proxies and servers change them to dashes, or drop such headers.
_HEADER: Final = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")


def _origin(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{value!r} is not an origin; expected https://host or https://host:port") from error
    host = parts.hostname or ""
    extra = parts.path not in ("", "/") or any(mark in value for mark in "?#@")
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host) or extra or port == 0:
        raise ValueError(f"{value!r} is not an origin; expected https://host or https://host:port")
    if ":" in host:
        host = f"[{host}]"
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, default) else "")


def _header(value: str) -> str:
    if not _HEADER.fullmatch(value):
        raise ValueError(f"{value!r} is not a header; expected letters and digits with single dashes: X-Forwarded-User")
    return value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a name; expected a letter or digit, and up to 62 letters, digits, dots, dashes,"
            " underscores or @"
        )
    return value


def _link(value: str | None) -> str | None:
    if value is not None and not value.lower().startswith(("https://", "http://")):
        raise ValueError(f"{value!r} is not a web address; expected https://host/path")
    return value


def _networks(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        try:
            network = ipaddress.ip_network(value)
        except ValueError as error:
            raise ValueError(f"{value!r} is not a network; expected an address or a CIDR: 10.0.0.0/8") from error
        if network.prefixlen == 0:
            raise ValueError(f"{value!r} trusts every peer; expected the addresses or networks of the proxies")
    return values


class ConsoleSettings(StorageSettings, DatabaseSettings, pipeline="console"):
    """Settings of the web app."""

    host: str = setting("127.0.0.1", description="Listen on this address.", group=WHERE)
    port: Annotated[int, Field(ge=0, le=65535)] = setting(
        8080, description="Listen on this port; 0 picks a free one and prints it.", group=WHERE
    )
    public_url: Annotated[str | None, AfterValidator(_origin)] = setting(
        None,
        default_text="the request's own host",
        description="Accept browser requests for this origin, such as https://console.example.",
        detail="Requests for another host and forms from another origin are rejected.",
        group=WHERE,
    )
    argo_link: Annotated[str | None, AfterValidator(_link)] = setting(
        None,
        description="Link to Workflows with this URL template.",
        detail="For example https://argo.example/workflows/{namespace}/{workflow}. Without it, there are no links.",
        group=WHERE,
        aliases=("TELECINE_NOTIFY_LINK",),
    )
    docs_link: Annotated[str | None, AfterValidator(_link)] = setting(
        None,
        description="Link to pages of the docs folder at this URL.",
        detail="For example https://git.example/telecine/docs. Without it, pages show paths of files.",
        group=WHERE,
    )
    manifest_bucket: Bucket = setting(
        default_factory=lambda: default_bucket("game-data-manifest"),
        default_text="game-data-manifest",
        description="Read pictures of game sessions from this bucket or folder.",
        detail="The manifest bucket of gamedata: a bucket name, s3://bucket, a folder or file:///folder.",
        group=WHERE,
        aliases=("TELECINE_GAMEDATA_MANIFEST_BUCKET",),
    )
    viewership_bucket: Bucket = setting(
        default_factory=lambda: default_bucket("viewership"),
        default_text="viewership",
        description="Store received files in this bucket or folder.",
        detail="The viewership bucket: a name, s3://bucket, a folder or file:///folder. Files are kept below"
        " console/ until a run stores them.",
        group=WHERE,
        aliases=("TELECINE_VIEWERSHIP_BUCKET",),
    )
    formats_dir: str | None = setting(
        None,
        description="Also propose the formats in this folder, one NAME-VERSION.yaml each.",
        group=WHERE,
        aliases=("TELECINE_VIEWERSHIP_FORMATS_DIR",),
    )
    reports: tuple[Place, ...] = setting(
        (),
        default_text="the folder reports below the state directory",
        description="Show run reports stored in these buckets or folders.",
        detail="In a cluster, the bucket of Argo's artifacts. Reports stored elsewhere are not shown.",
        group=WHERE,
    )
    access: AccessMode | None = setting(
        None,
        default_text="local outside a pod; required in a pod",
        description="Authenticate users by this mode: local, proxy or token.",
        detail="local listens on loopback only, proxy reads headers of trusted proxies, token requires a token.",
        group=_ACCESS,
    )
    local_role: RoleName = setting(
        "reviewer", description="Give the local user this role if access is local.", group=_ACCESS
    )
    trusted_proxies: Annotated[tuple[str, ...], AfterValidator(_networks)] = setting(
        (),
        description="Trust headers from proxies at these addresses or networks.",
        detail="Headers from other peers are ignored. With access token, X-Forwarded-For limits logins per client.",
        group=_ACCESS,
    )
    user_header: Annotated[str, AfterValidator(_header)] = setting(
        "X-Forwarded-User", description="Read the user's name from this proxy header.", group=_ACCESS
    )
    groups_header: Annotated[str, AfterValidator(_header)] = setting(
        "X-Forwarded-Groups",
        description="Read the user's groups (comma-separated) from this proxy header.",
        group=_ACCESS,
    )
    viewer_groups: tuple[str, ...] = setting(
        (), default_text="every user", description="Let only these groups view pages.", group=_ACCESS
    )
    uploader_groups: tuple[str, ...] = setting(
        (), default_text="nobody", description="Let these groups upload files.", group=_ACCESS
    )
    reviewer_groups: tuple[str, ...] = setting(
        (), default_text="nobody", description="Let these groups decide on reviews.", group=_ACCESS
    )
    session_hours: PositiveInt = setting(
        12, unit="h", description="End browser sessions after this time without a request.", group=_ACCESS
    )
    launch: Literal["auto", "workflow", "process", "off"] = setting(
        "auto",
        description="Start requested runs as Workflows or as processes; off: start none.",
        detail="auto: Workflows in a pod, which needs a token of its service account; processes elsewhere.",
        group=HOW_IT_RUNS,
    )
    threads: Annotated[int, Field(ge=1, le=12)] = setting(
        10,
        description="Handle up to this many requests concurrently.",
        detail="Each needs a PostgreSQL connection; a process opens at most 12.",
        group=HOW_IT_RUNS,
    )
    statement_timeout_s: Annotated[float, Field(gt=0, le=60)] = setting(
        5.0, unit="s", description="Cancel a page's query after this time.", group=LIMITS
    )
    max_upload_mb: Annotated[int, Field(ge=1, le=1_000_000)] = setting(
        REPORT_BYTES // 1_000_000,
        unit="MB",
        description="Refuse larger files.",
        detail="Bytes are counted as they arrive. The default is the most that viewership reads: it would refuse a "
        "larger file later. Rows, columns and cells have separate limits.",
        group=LIMITS,
    )
    drain_s: PositiveInt = setting(
        20, unit="s", description="On SIGTERM, wait up to this time for open requests.", group=LIMITS
    )
    log_level: LogLevel = setting("INFO", description="Log messages of at least this level.", group=RECORDS)
    log_file: str | None = setting(None, description="Also write log lines (JSON) to this file.", group=RECORDS)

    @property
    def max_upload_bytes(self) -> int:
        """Return the size of the largest file."""
        return self.max_upload_mb * 1_000_000

    @property
    def report_places(self) -> tuple[str, ...]:
        """Return the places that reports may be read from; never empty, which would allow every place."""
        return self.reports or (normalise(os.path.join(os.path.abspath(self.state_dir), "reports")),)  # noqa: PTH100, PTH118

    @property
    def mode(self) -> AccessMode:
        """Return the access mode.

        Raises:
            ConfigurationError: no mode is set in a pod.
        """
        if self.access is not None:
            return self.access
        if in_pod():
            raise ConfigurationError(
                "TELECINE_CONSOLE_ACCESS is not set; in a pod, expected proxy or token (the chart's value"
                " console.access)",
                code="access_missing",
            )
        return "local"

    @property
    def launch_mode(self) -> LaunchMode:
        """Return how runs are started.

        Raises:
            ConfigurationError: ``process`` in a pod.
        """
        if self.launch == "process" and in_pod():
            raise ConfigurationError(
                "--launch process would run uploads in the console's pod, whose database role cannot store them;"
                " expected workflow or off",
                code="launch_process",
            )
        if self.launch == "auto":
            return "workflow" if in_pod() else "process"
        return self.launch

    def check_access(self) -> None:
        """Reject an access mode that would not protect the console.

        Raises:
            ConfigurationError: ``local`` listens beyond loopback or has another public host; ``proxy`` trusts no
                proxy or reads the same header twice; ``token`` has no ``--public-url`` with TLS.
        """
        mode = self.mode
        if mode == "local" and self.host not in _LOOPBACK:
            raise ConfigurationError(
                f"--host {self.host} is not loopback; with --access local, expected 127.0.0.1, ::1 or localhost; pass"
                " --host 127.0.0.1, or another --access",
                code="access_local",
            )
        if mode == "local" and urlsplit(self.public_url or "http://localhost").hostname not in _LOOPBACK:
            raise ConfigurationError(
                f"--public-url {self.public_url} is another host, and --access local gives every request the role"
                f" {self.local_role}; expected a loopback host; omit --public-url, or pass --access proxy or token",
                code="access_local",
            )
        if mode == "proxy" and not self.trusted_proxies:
            raise ConfigurationError(
                "--trusted-proxies is not set; with --access proxy, expected the networks of the proxies that set"
                f" {self.user_header}; pass for example --trusted-proxies 10.0.0.0/8",
                code="access_proxy",
            )
        if mode == "proxy" and self.user_header.lower() == self.groups_header.lower():
            raise ConfigurationError(
                f"--user-header and --groups-header are both {self.user_header}; expected two different headers",
                code="access_proxy",
            )
        if mode == "token" and not _is_secure(self.public_url):
            raise ConfigurationError(
                "--public-url is not an https origin; with --access token, expected the origin behind TLS, such as"
                " https://console.example, because browsers do not send the session cookie over plain HTTP",
                code="access_token",
            )


def _is_secure(origin: str | None) -> bool:
    """Return whether browsers send Secure cookies to an origin: https, or plain HTTP on this machine."""
    parts = urlsplit(origin or "")
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


class TokensSettings(DatabaseSettings, pipeline="console"):
    """Settings of `telecine console token list`."""


class IssueSettings(DatabaseSettings, pipeline="console"):
    """Settings of `telecine console token issue`."""

    name: Annotated[str, AfterValidator(_name)] = setting(
        description="Issue the token to this user or program.", group=_TOKEN, argument=True
    )
    role: RoleName = setting("viewer", description="Give the token this role.", group=_TOKEN)
    days: Annotated[int, Field(ge=1, le=3_660)] = setting(
        90, unit="days", description="Expire the token after this time.", group=_TOKEN
    )


class RevokeSettings(DatabaseSettings, pipeline="console"):
    """Settings of `telecine console token revoke`."""

    name: Annotated[str, AfterValidator(_name)] = setting(
        description="Revoke the tokens of this user or program.", group=_TOKEN, argument=True
    )
