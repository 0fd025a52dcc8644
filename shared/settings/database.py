"""Settings of the PostgreSQL connection."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import SecretStr  # noqa: TC002 - pydantic resolves the annotations of fields

from shared.settings.base import Group, Settings, setting

__all__ = ["DatabaseSettings", "Environment"]

Environment = Literal["dev", "staging", "prod"]


_DATABASE: Final = Group("Database", 60)


class DatabaseSettings(Settings):
    """Fields of the PostgreSQL connection; a mixin for every step's settings."""

    database_url: SecretStr | None = setting(
        None,
        default_text="embedded PostgreSQL outside a pod",
        description="Connect to this PostgreSQL: postgresql://user:password@host:5432/name.",
        detail="Versions 15 to 18. It holds the run ledger and the tables.",
        group=_DATABASE,
        secret=True,
    )
    database_migration_url: SecretStr | None = setting(
        None,
        default_text="the database URL",
        description="Migrate with this URL in `telecine db upgrade`, if another role owns the schema.",
        group=_DATABASE,
        secret=True,
    )
    database_environment: Environment = setting(
        "dev",
        description="Require the database to belong to this environment.",
        detail="A database records its environment when it is first migrated.",
        group=_DATABASE,
    )
    state_dir: str = setting(
        ".telecine",
        description="Keep local state here: reports and the embedded PostgreSQL.",
        group=_DATABASE,
    )
