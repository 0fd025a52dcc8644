"""The schema command prints valid JSON Schemas, or writes them to a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from jobs.trakt.contract.document import document
from jobs.trakt.contract.resources import RESOURCES
from jobs.trakt.settings.schema import SchemaSettings
from jobs.trakt.steps.schema import show
from shared.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_schema_is_valid_and_ascii_and_its_references_resolve(resource: str):
    text = show(SchemaSettings(resource=resource))
    schema = json.loads(text)
    assert text.isascii()
    assert schema == document(resource)
    Draft202012Validator.check_schema(schema)
    assert set(schema["$defs"]) == {name.rpartition("/")[2] for name in references(schema)}


def references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [name for value in node.values() for name in references(value)]
    return [name for value in node for name in references(value)] if isinstance(node, list) else []


def test_all_schemas_are_one_object_by_name():
    assert json.loads(show(SchemaSettings())) == {name: document(name) for name in RESOURCES}


def test_the_names_of_the_argument_are_those_of_the_table():
    for name in RESOURCES:
        assert SchemaSettings(resource=name).resource == name


def test_a_schema_is_written_to_a_file_and_replaces_it(tmp_path: Path):
    file = tmp_path / "new" / "comment.json"
    for resource in ("stats", "comment"):
        assert show(SchemaSettings(resource=resource, output=str(file))) == f"Written: {file}"
    assert json.loads(file.read_text(encoding="utf-8")) == document("comment")
    assert [path.name for path in file.parent.iterdir()] == ["comment.json"]


def test_a_place_that_is_not_a_file_is_a_usage_error(tmp_path: Path):
    with pytest.raises(UsageError, match="--output"):
        show(SchemaSettings(output="s3://bucket"))


def test_counts_have_64_bits_and_ids_begin_at_1():
    made = document("comment")["$defs"]["comment"]["properties"]
    assert (made["id"]["minimum"], made["id"]["maximum"], made["likes"]["minimum"]) == (1, 2**63 - 1, 0)
