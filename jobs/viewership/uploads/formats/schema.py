"""The published JSON Schema of a format's file."""

from __future__ import annotations

from typing import Any

from jobs.viewership.uploads.formats.model import Format

__all__ = ["format_schema"]


def format_schema() -> dict[str, Any]:
    """Return the JSON Schema of a format, for editors of YAML and for readers of `formats show --json`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Format.model_json_schema(by_alias=True),
        "title": "Format of telecine viewership",
    }
