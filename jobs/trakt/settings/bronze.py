"""Settings of the bronze table: its bucket, the salt of users, and its maintenance."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr

from shared.settings import StepSettings, setting
from shared.settings.base import HOW_IT_RUNS, LIMITS, WHERE, Group
from shared.storage import Bucket, default_bucket

__all__ = ["MIN_RETENTION_DAYS", "BronzeSettings", "BuildsSettings", "EraseSettings", "TraktVacuumSettings"]

MIN_RETENTION_DAYS: Final = 7
"""Days for which readers of older versions and running commits may need files that the newest version lacks."""

_USERS: Final = Group("Users", 45)


def _user(value: SecretStr) -> SecretStr:
    # An empty variable would otherwise report success, and leave a tombstone for a name that nobody has.
    name = value.get_secret_value()
    if not name.strip() or not name.isprintable():
        raise ValueError("expected the name or slug of a user, without line breaks or bytes that are not UTF-8")
    return value


class BronzeSettings(StepSettings, pipeline="trakt"):
    """The bucket of the page objects and the bronze table, and the salt for users' names."""

    bucket: Bucket = setting(
        default_factory=lambda: default_bucket("trakt"),
        default_text="trakt",
        description="Store page objects and tables in this bucket or folder.",
        form="Bucket for page objects and tables: a name or s3://bucket.",
        group=WHERE,
    )
    user_salt: Annotated[SecretStr, Field(min_length=16)] | None = setting(
        None,
        description="Hash users' names with this secret salt; ingest needs it only after an erasure.",
        detail="At least 16 characters. `model`, `run` and `erase` always need it. Never change it: "
        "with another salt, erased users are not recognised.",
        group=_USERS,
        secret=True,
    )


class BuildsSettings(BronzeSettings, pipeline="trakt"):
    """The bronze table, and this machine's folder of what `model` builds from it."""

    model_dir: str | None = setting(
        None,
        default_text="the state folder's trakt/models",
        description="Keep the DuckDB file in this local folder.",
        detail="The file is a cache: without it, the next build reads all of bronze.",
        group=WHERE,
    )


class TraktVacuumSettings(BronzeSettings, pipeline="trakt"):
    """Settings of `vacuum`, which compacts the bronze table and deletes unused files and old builds of gold."""

    retention_days: Annotated[int, Field(ge=MIN_RETENTION_DAYS, le=3_650)] = setting(
        MIN_RETENTION_DAYS,
        unit="days",
        description="Delete files and builds that are unused for this long (at least 7 days).",
        group=LIMITS,
    )
    dry_run: bool = setting(False, description="Report what would be done; change nothing.", group=HOW_IT_RUNS)


class EraseSettings(BuildsSettings, pipeline="trakt"):
    """Settings of `erase`, which removes a user's comments."""

    user: Annotated[SecretStr, AfterValidator(_user)] = setting(
        description="Erase the comments of the user with this name or slug.",
        detail="Case is ignored. The name is neither logged nor recorded.",
        group=_USERS,
        secret=True,
    )
    retention_days: Annotated[int, Field(ge=MIN_RETENTION_DAYS, le=3_650)] = setting(
        MIN_RETENTION_DAYS,
        unit="days",
        description="Print when a vacuum with this retention deletes the last bytes.",
        group=LIMITS,
    )
