"""Settings of the schema command."""

from __future__ import annotations

from typing import Literal

from shared.settings import Settings, StepSettings, setting

__all__ = ["SchemaSettings"]


class _SchemaFields(Settings, pipeline="trakt_schema"):
    """The resource and the output file; variables of steps that write data do not set them."""

    resource: Literal["all", "comment", "rating", "title", "stats", "updates", "tmdb"] = setting(
        "all", description="Print the schema of this resource; all: one object with each by name.", argument=True
    )
    output: str | None = setting(
        None,
        default_text="none",
        description="Write the schema to this file instead of printing it.",
        detail="A path or s3://bucket/key; an existing file is replaced.",
    )


class SchemaSettings(_SchemaFields, StepSettings, pipeline="trakt"):
    """Settings of `schema`, which prints the contract as JSON Schema."""
