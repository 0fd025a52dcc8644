"""Tags of the rendered templates: none inserts text from outside other than as base64."""

from __future__ import annotations

import re

import pytest

from tests.render.rendered import TEMPLATES, by_name, calls, crons, spec_of, tags, templates
from workflows._lib.hooks import EXIT

# Names and states that Argo and Kubernetes make or check: letters, digits and dashes, or numbers.
SAFE = {
    *("workflow.name", "workflow.namespace", "workflow.uid", "workflow.status"),
    *("status", "duration"),
}
_PARAMETER = r"(?:workflow|inputs)\.parameters(?:\.[\w-]+|\['[\w-]+'\])"
# An expression whose result is base64 of a parameter.
ENCODED = re.compile(rf"=sprig\.b64enc\({_PARAMETER}\)")
# A template's input, in the tag that passes it on; the caller has encoded it, as `test_every_caller_encodes` checks.
INPUT = re.compile(r"inputs\.parameters\.[\w-]+")
_IN = re.compile(r"inputs\.parameters(?:\.[\w-]+|\['[\w-]+'\])")
# Expressions over inputs, with results that are true or false, base64, or a count.
EXPRESSIONS = tuple(
    re.compile(pattern)
    for pattern in (
        r"=sprig\.b64dec\(IN\) [!=]= 'local'",
        r"=IN \+ IN \+ IN [!=]= ''",
        (
            r"=IN != '' \? IN : sprig\.b64enc\(\(sprig\.b64dec\(IN\) contains '://' \? '' : 's3://'\)"
            r" \+ sprig\.b64dec\(IN\) \+ '/_manifests/' \+ workflow\.name \+ '\.parquet'\)"
        ),
        r"=sprig\.b64enc\(toJson\(map\(fromJSON\(workflow\.parameters\.json\), \.name\)\)\)",
        r"=sprig\.b64enc\(sprig\.trunc\(\d+, workflow\.failures\)\)",
        r'=len\(split\(workflow\.failures, `displayName\\":`\)\) - 1',
        r"=sprig\.b64dec\(IN\) != 'false'",
        # The exit code of an earlier step, and a count that it wrote.
        (
            r"=\(tasks\.\w+\.exitCode \?\? '-1'\) in \['0', '65'\]"
            r"(?: and \(tasks\.\w+\.outputs\?\.parameters\?\.\w+ \?\? '0'\) != '0')?"
        ),
        r"=\(tasks\.\w+\.exitCode \?\? '-1'\) in \['0', '65', '75'\] and sprig\.b64dec\(IN\) != 'true'",
        # What the plan chose, as base64.
        r"=sprig\.b64enc\(\(tasks\.plan\.outputs\?\.parameters\?\.compute \?\? 'cpu'\)\)",
        # A metric's value: an output of ours, or a sum of counts in it.
        r"=status == 'Succeeded' \? outputs\.parameters(?:\.\w+|\['[\w-]+'\]) : '0'",
        r"=status == 'Succeeded' \? sum\(filter\(fromJSON\(outputs\.parameters\.\w+\), [^{}]*\), \.count\) : 0",
    )
)
# A count that our step wrote, as an output of the template around it: Argo looks the tag up and inserts it nowhere.
COPIED = {f"steps.close.outputs.parameters.{output}" for output in ("items", "rejects")}
# The entrypoint of a run; its inputs are part of the form and arrive as they were typed.
ENTRYPOINTS_WITH_A_FORM = {("screenalytics", "replay")}


def is_safe(tag: str) -> bool:
    if tag in SAFE | COPIED or ENCODED.fullmatch(tag) or INPUT.fullmatch(tag):
        return True
    generic = _IN.sub("IN", tag)
    return any(pattern.fullmatch(generic) for pattern in EXPRESSIONS)


@pytest.mark.parametrize("name", [*TEMPLATES, *crons()])
def test_every_tag_is_known_to_be_safe(name):
    found = set(tags(by_name()[name]))
    assert found or name in crons()
    assert {tag for tag in found if not is_safe(tag)} == set()


@pytest.mark.parametrize(
    "tag", ["workflow.failures", "workflow.parameters.prefix", "=inputs.parameters.prefix", "item"]
)
def test_a_tag_that_inserts_text_is_not_safe(tag):
    assert not is_safe(tag)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_caller_encodes(name):
    for template in templates(name).values():
        for call in calls(template):
            for argument in call.get("arguments", {}).get("parameters", []):
                (tag,) = tags(argument["value"])
                assert argument["value"] == f"{{{{{tag}}}}}"
                assert ENCODED.fullmatch(tag) or INPUT.fullmatch(tag) or "sprig.b64enc" in tag


@pytest.mark.parametrize("name", TEMPLATES)
def test_an_entrypoint_passes_none_of_its_inputs_as_it_is(name):
    called = {
        call["template"] for template in templates(name).values() for call in calls(template) if "template" in call
    }
    called |= {"stages"}  # of `media`
    for own, template in templates(name).items():
        if own in called or own == EXIT or not template.get("inputs"):
            continue
        assert (name, own) in ENTRYPOINTS_WITH_A_FORM
        assert not [tag for tag in tags(template) if INPUT.fullmatch(tag)]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_parameter_is_only_in_encoded_variables_conditions_and_arguments(name):
    def from_outside(value: object) -> list[str]:
        return [tag for tag in tags(value) if re.search(r"parameters|failures", tag)]

    for template in templates(name).values():
        container = template.get("container", {})
        for variable in container.get("env", []):
            # The count of failures is a number.
            if from_outside(variable["value"]) and variable["name"] != "TELECINE_RUNS_FAILURES_TOTAL":
                assert variable["name"].endswith("_BASE64")
        assert not from_outside({key: value for key, value in container.items() if key != "env"})
        for call in calls(template):
            assert not {"withParam", "withItems", "withSequence", "hooks", "onExit"} & set(call)
        # Metrics read numbers that our steps counted.
        rest = {key: value for key, value in template.items() if key not in ("container", "dag", "steps", "metrics")}
        assert set(from_outside(rest)) <= COPIED
        assert {tag for tag in tags(template) if tag in COPIED} == set(
            tags(template.get("outputs", {}).get("parameters", []))
        )
    assert not from_outside({key: value for key, value in spec_of(name).items() if key != "templates"})
