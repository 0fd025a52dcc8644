"""Argo 4.0.7 knows all fields: checked with its CRDs, closed. Hera and Argo's JSON schema accept unknown ones."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.crds import crd, errors_of, module_dir_of
from tests.render.rendered import by_name

MODULE = "github.com/argoproj/argo-workflows/v4"


def schema_of(kind: str) -> dict[str, Any]:
    folder = module_dir_of(MODULE) / "manifests" / "base" / "crds" / "full"
    return crd(folder / f"argoproj.io_{kind.lower()}s.yaml", "v1alpha1")


@pytest.mark.parametrize("name", sorted(by_name()))
def test_documents_match_the_closed_schema(name):
    document = by_name()[name]
    assert errors_of(document, schema_of(document["kind"])) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "retries"), 3),
        (("spec", "synchronization", "mutex"), {"name": "x"}),
        (("spec", "activeDeadlineSeconds"), "soon"),
        (("spec", "templates", 0, "timeot"), "1m"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_the_schema_rejects(path, value):
    document = copy.deepcopy(by_name()["gamedata"])
    place: Any = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert errors_of(document, schema_of("WorkflowTemplate")) != []
