"""Settings of lineage events."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from shared.settings.base import Group, Settings, setting

__all__ = ["LineageSettings"]

_LINEAGE: Final = Group("Lineage", 65)
_WORD: Final = re.compile(r"[!-~]{1,4096}", re.ASCII)


def _place(value: str | None) -> str | None:
    if not value:
        return None
    scheme, colon, _ = value.partition("://")
    if not colon:
        return value
    if scheme not in ("http", "https", "file"):
        raise ValueError("not a file or a web address; expected a path, file:///path or https://host")
    if not _WORD.fullmatch(value):
        # Checked here: the library's error would quote the path, which may have a token.
        raise ValueError("the URL has spaces or characters other than ASCII; expected https://host, percent-encoded")
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError("not a web address; expected https://host or https://host:port/path") from None
    if scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise ValueError("a file URI must not name a host; expected file:///path")
    elif not parts.hostname:
        raise ValueError("the host is missing; expected https://host or https://host:port/path")
    elif parts.username is not None or parts.password is not None:
        raise ValueError("the URL contains a user or a password; expected https://host; set --lineage-api-key instead")
    return value


def _key(value: SecretStr | None) -> SecretStr | None:
    # Checked here: the library's error about a header would quote it.
    if value is not None and not _WORD.fullmatch(value.get_secret_value()):
        raise ValueError("it has spaces, line breaks or other characters that a header cannot have; expected a token")
    return value


class LineageSettings(Settings):
    """Lineage fields; a mixin for the settings of steps that report lineage."""

    lineage: Annotated[str | None, AfterValidator(_place)] = setting(
        None,
        default_text="none",
        description="Append OpenLineage events to this file, or POST them to this URL.",
        detail="/api/v1/lineage is appended to a URL without a path. A failure is only a warning; the run continues.",
        form="URL that receives OpenLineage events; empty: none.",
        group=_LINEAGE,
        aliases=("OPENLINEAGE_URL",),
    )
    lineage_namespace: Annotated[str, Field(min_length=1, max_length=200)] = setting(
        "telecine",
        description="Put jobs and datasets in this OpenLineage namespace.",
        group=_LINEAGE,
        aliases=("OPENLINEAGE_NAMESPACE",),
    )
    lineage_api_key: Annotated[SecretStr | None, AfterValidator(_key)] = setting(
        None,
        default_text="none",
        description="Send this key with lineage events, as a bearer token.",
        group=_LINEAGE,
        secret=True,
        aliases=("OPENLINEAGE_API_KEY",),
    )
