"""Names of parameters that a Workflow was given, as Argo hands them to a pipeline's first step."""

from __future__ import annotations

import json

import pytest

from shared.errors import UsageError
from shared.settings.base import encoded
from shared.step.form import FORM_VARIABLE, GIVEN_VARIABLE, check_names, is_known

FORM = ("prefix", "source-bucket", "cpu-workers", "gpu-workers")
UMBRELLA = (*(f"gamedata-{name}" for name in FORM), "trakt-prefix")


def variables(*names, form=FORM):
    return {GIVEN_VARIABLE: encoded(json.dumps(names)), FORM_VARIABLE: ",".join(form)}


def lines(*names):
    with pytest.raises(UsageError) as caught:
        check_names(variables(*names), pipeline="gamedata")
    assert caught.value.exit_code == 2
    return caught.value.message.splitlines()


@pytest.mark.parametrize("names", [FORM, UMBRELLA], ids=["gamedata", "media"])
def test_the_names_of_a_form_are_known(names):
    assert check_names(variables(*names), pipeline="gamedata") == "4 names, all known"


def test_unknown_names_are_told_with_near_ones():
    near, workers, far = lines(*FORM, "prefx", "workers", "zzz")
    assert near == "The Workflow has an unknown parameter prefx; did you mean prefix?"
    assert "cpu-workers or gpu-workers?" in workers or "gpu-workers or cpu-workers?" in workers
    assert far.endswith("; expected one of prefix, source-bucket, cpu-workers, gpu-workers")


def test_a_name_of_the_umbrellas_form_in_the_pipelines_own():
    (line,) = lines(*FORM, "gamedata-prefix")
    assert line.endswith("unknown parameter gamedata-prefix; did you mean prefix?")


def test_under_the_umbrella_names_have_the_prefix():
    misspelt, bare = lines(*UMBRELLA, "gamedata-prefx", "prefix", "trakt-prefx", "else")
    assert "gamedata-prefx; did you mean gamedata-prefix?" in misspelt
    assert "unknown parameter prefix; did you mean gamedata-prefix?" in bare


def test_two_pipelines_of_one_umbrella_judge_their_own_names():
    both = variables(*UMBRELLA, "screenalytics-bucket", "screenalytics-prefx", form=("bucket",))
    assert check_names(variables(*UMBRELLA, "screenalytics-bucket"), pipeline="gamedata") == "4 names, all known"
    with pytest.raises(UsageError, match=r"screenalytics-prefx; expected one of screenalytics-b"):
        check_names(both, pipeline="screenalytics")


@pytest.mark.parametrize("text", ["[]", "{}", '["prefix"]', "7", '[{"value": "x"}]', "[[]]", "nonsense"])
@pytest.mark.parametrize("write", [encoded, str], ids=["encoded", "plain"])
def test_what_is_no_list_of_ours_is_not_judged(text, write):
    assert check_names({GIVEN_VARIABLE: write(text), FORM_VARIABLE: ",".join(FORM)}, pipeline="gamedata").startswith(
        "not checked"
    )


def test_a_hostile_name_is_reported_as_it_is():
    (line,) = lines(*FORM, "{{=1+1}}$(SECRET)")
    assert line.startswith("The Workflow has an unknown parameter {{=1+1}}$(SECRET); expected one of")


def test_someone_elses_workflow_is_not_judged():
    assert check_names(variables("prefix", "day"), pipeline="gamedata").startswith("not checked")


def test_without_a_workflow_there_is_nothing_to_check():
    assert not is_known({})
    assert not is_known({GIVEN_VARIABLE: "[]"})
    assert is_known(variables(*FORM))
