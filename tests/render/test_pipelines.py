"""One tuple declares the pipelines; render, crons, media, the CLI and the chart's values agree with it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from jobs import cli
from tests.render.rendered import TEMPLATES, WITH_LEDGER, by_name, crons, spec_of, templates
from workflows import maintenance
from workflows._lib.pipeline import STAGES
from workflows.pipelines import PIPELINES

VALUES = Path(__file__).parents[2] / "charts" / "telecine" / "values.yaml"
NAMES = [pipeline.name for pipeline in PIPELINES]


def test_the_command_line_has_the_same_pipelines():
    assert {*NAMES, "media"} <= set(cli.PIPELINES)
    # A pipeline of tools has nothing to run in a Workflow; one with a stage in the ledger has.
    staged = {name for name in cli.PIPELINES if any(getattr(each, "stage", None) for each in cli.commands(name))}
    assert staged <= {*NAMES, "media"}


def test_every_template_and_every_cron_is_rendered():
    declared = [cron.name for found in (*(each.crons for each in PIPELINES), maintenance.CRONS) for cron in found]
    assert crons() == declared
    assert list(by_name()) == [*TEMPLATES, *declared]


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda pipeline: pipeline.name)
def test_a_pipeline_has_the_template_that_media_calls(pipeline):
    taken = [each["name"] for each in templates(pipeline.name)[STAGES]["inputs"]["parameters"]]
    assert taken == [field.name for field in pipeline.parameters]
    (task,) = [task for task in templates("media")["main"]["dag"]["tasks"] if task["name"] == pipeline.name]
    assert task["templateRef"] == {"name": pipeline.name, "template": STAGES}


def stages_of(name):
    """Return template -> stage in the ledger and folder of its report, of the containers whose command has a stage."""
    found = {}
    for template, parts in templates(name).items():
        words = parts.get("container", {}).get("args", [""])
        (command,) = [each for each in cli.commands(words[0]) if each.name == words[1]] if words[0] in NAMES else [None]
        if stage := getattr(command, "stage", None):
            assert parts["metadata"]["labels"]["telecine/step"] == stage[0], template
            found[template] = stage[0]
    return found


def test_stages_of_two_pipelines_have_different_names():
    """A run of media has the stages of all pipelines, and the ledger one row per run and stage."""
    names = [stage for name in NAMES for stage in set(stages_of(name).values())]
    assert len(names) == len(set(names)) >= 10
    assert set(stages_of("trakt-backfill").values()) == {"backfill", "model", "publish_trakt"}


def test_the_charts_values_have_a_limit_per_pipeline_and_switches_per_cron():
    values = yaml.safe_load(VALUES.read_text(encoding="utf-8"))
    assert list(values["limits"]) == list(WITH_LEDGER)
    assert list(values["crons"]) == crons()
    # The chart's values override these, so the two must not drift apart.
    assert {name: each["schedules"] for name, each in values["crons"].items()} == {
        name: spec_of(name)["schedules"] for name in crons()
    }
