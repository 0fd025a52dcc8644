"""A Workflow that a program starts: a reference with parameters, in which nothing is evaluated."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cluster.client import Client, ObjectExists
from shared.cluster.workflows import create_workflow, manifest
from shared.settings.base import encoded_form


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=50))
def test_no_value_has_a_tag_or_a_variable_and_each_can_be_read_again(text):
    value = encoded_form(text)
    assert "{" not in value
    assert "$" not in value
    read = base64.b64decode(value.removeprefix("base64:")).decode() if value.startswith("base64:") else value
    assert read == text


def test_a_workflow_names_its_template_and_has_nothing_of_its_own():
    made = manifest("telecine", "console-run-1", "viewership", {"files": "s3://a/b", "map": "{{x}}"}, {"a": "b"})
    assert made == {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "console-run-1", "namespace": "telecine", "labels": {"a": "b"}},
        "spec": {
            "workflowTemplateRef": {"name": "viewership"},
            "arguments": {
                "parameters": [
                    {"name": "files", "value": "s3://a/b"},
                    {"name": "map", "value": "base64:e3t4fX0="},
                ]
            },
        },
    }


@pytest.mark.parametrize("name", ["", "A", "a.b", "-a", "a-", "a" * 64, "a/b", "a\n"])
def test_a_name_that_cannot_be_a_label_is_a_bug(name):
    with pytest.raises(ValueError, match="is not a name of a Workflow"):
        manifest("telecine", name, "viewership", {}, {})


def test_a_workflow_of_this_name_is_the_one_that_was_started_before():
    class Twice(Client):
        def create(self, *_, **__):
            raise ObjectExists("already exists")

    assert create_workflow(Twice(None, "telecine"), "a", "viewership", {}, {}) is None
