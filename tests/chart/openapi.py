"""Kubernetes' own schemas, from its Go module, closed: an unknown field is an error."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from tests.crds import module_dir_of

__all__ = ["problems"]

_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"


@cache
def _definitions() -> tuple[dict[str, Any], dict[tuple[str, str], str]]:
    path = module_dir_of("k8s.io/kubernetes") / "api" / "openapi-spec" / "swagger.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["definitions"]
    kinds = {}
    for name, schema in found.items():
        if "properties" in schema:
            schema["additionalProperties"] = False
        for kind in schema.get("x-kubernetes-group-version-kind", []):
            if kind["kind"] in schema.get("description", "") or name.endswith(f".{kind['kind']}"):
                group = f"{kind['group']}/" if kind["group"] else ""
                kinds[f"{group}{kind['version']}", kind["kind"]] = name
    found[_INT_OR_STRING]["type"] = ["integer", "string"]
    found[_QUANTITY]["type"] = ["number", "string"]
    return found, kinds


@cache
def _validator(version: str, kind: str) -> Draft202012Validator | None:
    definitions, kinds = _definitions()
    name = kinds.get((version, kind))
    if name is None:
        return None
    # Only the definitions that this kind refers to: a validator walks all of them.
    reached: dict[str, Any] = {}
    ahead = [name]
    while ahead:
        each = ahead.pop()
        if each not in reached:
            reached[each] = definitions[each]
            ahead += re.findall(r'"#/definitions/([^"]+)"', json.dumps(definitions[each]))
    return Draft202012Validator({"$ref": f"#/definitions/{name}", "definitions": reached})


def problems(document: dict[str, Any]) -> list[str] | None:
    """Return an object's schema errors with their paths; None for a kind that is not Kubernetes' own."""
    validator = _validator(document["apiVersion"], document["kind"])
    if validator is None:
        return None
    errors = validator.iter_errors(document)
    return sorted(f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in errors)
