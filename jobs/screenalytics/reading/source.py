"""Open the producer's bucket with the credentials that ``--auth`` selects."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shared.errors import UsageError
from shared.storage import open_store, resolved

if TYPE_CHECKING:
    from jobs.screenalytics.settings import SourceSettings
    from shared.settings.storage import S3Options
    from shared.storage import ObjectStore

__all__ = ["open_source", "source_uri"]


def open_source(settings: SourceSettings) -> ObjectStore:
    """Return the store of the runs, with the credentials selected by ``--auth``.

    Args:
        settings: settings with the bucket and credentials; a folder needs no credentials.

    Raises:
        UsageError: the profile or the key is missing.
        ConfigurationError: the profile does not exist.
    """
    return open_store(settings.bucket, settings, options=_options(settings))


def source_uri(settings: SourceSettings) -> str:
    """Return the bucket as it is stored in tables: ``s3://bucket`` or ``file:///folder``, without symbolic links."""
    return resolved(settings.bucket)


def _options(settings: SourceSettings) -> S3Options:
    options = settings.s3_options()
    if settings.auth == "profile":
        return replace(options, auth="profile", profile=_required(settings, "profile", settings.profile))
    if settings.auth == "static":
        secret = settings.secret_access_key.get_secret_value() if settings.secret_access_key is not None else None
        token = settings.session_token
        return replace(
            options,
            auth="static",
            access_key_id=_required(settings, "access_key_id", settings.access_key_id),
            secret_access_key=_required(settings, "secret_access_key", secret),
            session_token=token.get_secret_value() if token is not None else None,
        )
    return replace(options, auth=settings.auth)


def _required(settings: SourceSettings, field: str, value: str | None) -> str:
    if not value:
        raise UsageError(
            f"--auth {settings.auth} needs --{field.replace('_', '-')} (TELECINE_SCREENALYTICS_{field.upper()}). Other"
            " values of --auth: ambient (the AWS SDK's own chain), profile, static and anonymous"
        )
    return value
