"""The JSON Schema of RunManifest 1.0, published for producers: exactly what ingest accepts in a manifest."""

from __future__ import annotations

from typing import Any

from jobs.screenalytics.contract.kinds import KINDS
from jobs.screenalytics.contract.run_manifest import MAX_SUMMARIES, STATUSES, SUMMARY, RunHead, RunManifest

__all__ = ["manifest_schema"]


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema of a manifest.

    A run that did not succeed needs only the first four fields. The schema cannot express comparisons: of the run_id
    with the manifest's key, artifact keys with each other, s3_key with the run's folders, sizes with an
    installation's limits, and files with what the manifest declares about them.
    """
    whole = RunManifest.model_json_schema()
    properties, head = whole["properties"], list(RunHead.model_fields)
    artifact = whole["$defs"]["ArtifactRef"]
    is_summary = {"properties": {"artifact_kind": {"const": SUMMARY}}, "required": ["artifact_kind"]}
    artifact |= {
        "if": is_summary,
        "then": {
            "required": ["checksum_sha256"],
            "properties": {"checksum_sha256": {"type": "string"}, "schema_version": {"enum": list(KINDS)}},
        },
    }
    properties["artifacts"] |= {"contains": is_summary, "minContains": 1, "maxContains": MAX_SUMMARIES}
    success = [word for word, status in sorted(STATUSES.items()) if status == "success"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": whole["title"],
        "description": whole["description"],
        "type": "object",
        "properties": {name: properties[name] for name in head},
        "required": [name for name in whole["required"] if name in head],
        "if": {"properties": {"status": {"enum": success}}, "required": ["status"]},
        "then": {
            "properties": {name: value for name, value in properties.items() if name not in head},
            "required": [name for name in whole["required"] if name not in head],
        },
        "$defs": whole["$defs"],
    }
