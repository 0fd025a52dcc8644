"""Settings of optional TMDb metadata: token and base URL."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr, ValidationInfo

from jobs.trakt.settings.api import ApiSettings, host_of, is_loopback
from shared.settings import setting
from shared.settings.base import Group

__all__ = ["TmdbSettings"]

_TMDB: Final = Group("TMDb metadata", 16)
_SITE: Final = "https://api.themoviedb.org/3"
# A read access token is a JWT of some 250 characters.
_TOKEN: Final = re.compile(r"[!-~]{1,4096}", re.ASCII)


def _token(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("expected an API read access token: letters, digits, '.', '-' and '_' without spaces")
    return value


def _site(value: str | None, info: ValidationInfo) -> str | None:
    if value is None:
        return None
    expected = "expected https://host/3, or http://host:port/3 of a replayer, without user, query or fragment"
    host = host_of(value, expected)
    is_replay = info.data.get("source_system") == "replay"
    if is_replay and _is_tmdb(host):
        raise ValueError("expected the URL of a replayer, because --source-system is replay")
    if value.lower().startswith("http:") and (_is_tmdb(host) or not (is_replay or is_loopback(host))):
        raise ValueError("expected https: the token would travel in plain text; http is for --source-system replay")
    return value.rstrip("/")


def _is_tmdb(host: str) -> bool:
    name = host.lower().rstrip(".")
    return any(name == site or name.endswith(f".{site}") for site in ("themoviedb.org", "tmdb.org"))


class TmdbSettings(ApiSettings, pipeline="trakt"):
    """Fields of optional metadata; a mixin for the settings of commands that read titles."""

    tmdb_token: Annotated[SecretStr | None, AfterValidator(_token)] = setting(
        None,
        default_text="none; no metadata is read",
        description="Read TMDb metadata of swept titles with this API read access token.",
        detail="Created at https://www.themoviedb.org/settings/api; it is not the shorter API key. Without it, the "
        "columns tmdb_* are NULL. A failure of TMDb is only a warning.",
        group=_TMDB,
        aliases=("TMDB_READ_ACCESS_TOKEN",),
        secret=True,
    )
    tmdb_base_url: Annotated[str | None, AfterValidator(_site)] = setting(
        None,
        default_text=f"{_SITE}; of a replayer, its base URL and /3",
        description="Send TMDb requests to this base URL.",
        detail="http is accepted only for this machine and with --source-system replay.",
        group=_TMDB,
    )

    @property
    def tmdb_site(self) -> str:
        """Return the base URL of TMDb; a replayer answers for TMDb too, as its titles are not TMDb's."""
        if self.tmdb_base_url is not None:
            return self.tmdb_base_url
        return f"{self.base_url}/3" if self.is_replayer else _SITE

    @property
    def is_tmdb_local(self) -> bool:
        """Return whether the base URL of TMDb is on this machine; then no proxy is used."""
        return is_loopback(urlsplit(self.tmdb_site).hostname or "")

    @property
    def is_tmdb_replayed(self) -> bool:
        """Return whether TMDb's answers are a replayer's."""
        return not _is_tmdb(urlsplit(self.tmdb_site).hostname or "") and (self.is_replayer or self.is_tmdb_local)
