"""Where the database is: the fields that every step shares."""

from __future__ import annotations

from typing import Literal

from pydantic import SecretStr  # noqa: TC002 - pydantic resolves the annotations of fields

from shared.settings.base import Settings, setting

__all__ = ["DatabaseSettings", "Environment"]

Environment = Literal["dev", "staging", "prod"]


class DatabaseSettings(Settings):
    """Fields of the connection to PostgreSQL, mixed into every step's settings."""

    database_url: SecretStr | None = setting(
        None,
        default_text="embedded PostgreSQL outside a pod",
        description="PostgreSQL 15 to 18 for the ledger and tables: postgresql://user:password@host:5432/name.",
        secret=True,
    )
    database_migration_url: SecretStr | None = setting(
        None,
        default_text="the database URL",
        description="The URL that `telecine db upgrade` uses, when another role migrates.",
        secret=True,
    )
    database_environment: Environment = setting(
        "dev", description="The environment that the database must be of; it remembers its own and refuses another."
    )
    state_dir: str = setting(
        ".telecine", description="Folder for what outlives a command on this machine: reports, the embedded PostgreSQL."
    )
