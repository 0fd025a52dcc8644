"""CRDs of the pinned operators, read from their Go modules and closed: a field that they do not know is an error."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[1]
# Modules whose go.mod pins the versions.
_GO = ROOT / "tests" / "cluster" / "go"

__all__ = ["crd", "errors_of", "module_dir_of"]


@cache
def module_dir_of(module: str) -> Path:
    """The folder of a Go module at the version that tests/cluster pins; skips the test where Go does not have it."""
    if shutil.which("go") is None:
        pytest.skip("Go is not installed: CRDs come from Go modules")
    for go_mod in sorted(_GO.glob("*/go.mod")):
        if module in go_mod.read_text(encoding="utf-8"):
            # -e: a module that the proxy does not have is an answer, too.
            done = subprocess.run(
                ["go", "mod", "download", "-json", module],
                cwd=go_mod.parent,
                capture_output=True,
                text=True,
                timeout=240,
                check=False,
            )
            found = json.loads(done.stdout) if done.returncode == 0 else {}
            if "Dir" in found:
                return Path(found["Dir"])
            pytest.skip(f"Go cannot load {module}: CRDs come from Go modules")
    pytest.skip(f"no go.mod under tests/cluster/go names {module}: CRDs come from Go modules")


@cache
def crd(path: Path, version: str) -> dict[str, Any]:
    """The closed JSON schema of one version of a CRD file."""
    # In C, where PyYAML has it: Argo's CRDs take 20 s in Python.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    (found,) = [each for each in document["spec"]["versions"] if each["name"] == version]
    return _closed(found["schema"]["openAPIV3Schema"], top=True)


def errors_of(document: Any, schema: dict[str, Any]) -> list[str]:
    """Return the schema errors of a document, each with its path."""
    errors = Draft202012Validator(schema).iter_errors(document)
    return sorted(f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in errors)


def _closed(schema: Any, *, top: bool = False) -> Any:
    if not isinstance(schema, dict):
        return schema
    made = {
        key: {name: _closed(each) for name, each in value.items()}
        if key == "properties"
        else _closed(value)
        if key in ("items", "additionalProperties")
        else value
        for key, value in schema.items()
        if not key.startswith("x-kubernetes-")
    }
    if schema.get("x-kubernetes-int-or-string"):
        made.pop("anyOf", None)
        made["type"] = ["integer", "string"]
    if made.pop("nullable", False) and "type" in made:
        made["type"] = [made["type"], "null"]
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    if top:
        # The CRD leaves the metadata to the API server.
        made["properties"]["metadata"] = {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "generateName": {"type": "string"},
                "namespace": {"type": "string"},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
                "finalizers": {"type": "array", "items": {"type": "string"}},
                "ownerReferences": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "apiVersion": {"type": "string"},
                            "kind": {"type": "string"},
                            "name": {"type": "string"},
                            "uid": {"type": "string"},
                            "controller": {"type": "boolean"},
                            "blockOwnerDeletion": {"type": "boolean"},
                        },
                        "required": ["apiVersion", "kind", "name", "uid"],
                        "additionalProperties": False,
                    },
                },
            },
            "additionalProperties": False,
        }
    return made
