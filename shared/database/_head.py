"""The schema version that this code needs: the last file below migrations/versions (a test holds this)."""

from __future__ import annotations

from typing import Final

__all__ = ["HEAD", "SCHEMA", "VERSION_TABLE"]

HEAD: Final = "0003"
SCHEMA: Final = "pipeline"
VERSION_TABLE: Final = "schema_version"
