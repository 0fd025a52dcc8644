"""The JSON Schema of RunManifest 1.0 for producers, and an example manifest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.contract import json_schema
from shared.text import escape_json

if TYPE_CHECKING:
    from jobs.screenalytics.settings import SchemaSettings

__all__ = ["EXAMPLE", "manifest_schema", "show"]

EXAMPLE: Final[dict[str, Any]] = {
    "schema_version": "1.0",
    "run_id": "Attempt3_2025-12-23_101500EST",
    "ep_id": "rhoslc-s06e11",
    "status": "success",
    "completed_at": "2025-12-23T15:16:12Z",
    "attempt": 3,
    "duration_ms": 2_580_000,
    "artifacts": [
        {
            "artifact_key": "screentime",
            "artifact_kind": "person_metrics",
            "s3_key": "runs/rhoslc/s06/e11/Attempt3_2025-12-23_101500EST/analytics/screentime.json",
            "schema_version": "screentime.v1",
            "content_type": "application/json",
            "size_bytes": 18211,
            "checksum_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "row_count": 1,
        }
    ],
}
"""An example manifest of a successful run."""


def show(settings: SchemaSettings) -> str:
    """Return the schema as JSON, or with ``--example`` an example manifest."""
    schema, example = {"1.0": (manifest_schema, EXAMPLE)}[settings.manifest_version]
    document = example if settings.example else schema()
    return escape_json(json.dumps(document, indent=2, ensure_ascii=False))


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema of a manifest, with an example."""
    return {**json_schema.manifest_schema(), "examples": [EXAMPLE]}
