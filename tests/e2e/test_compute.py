"""The pods of extract: `compute: auto` chooses one pod for little work; a form can ask for a RayJob instead."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.places import put_tars

if TYPE_CHECKING:
    from tests.e2e.argo import Run
    from tests.e2e.conftest import Closing
    from tests.e2e.installation import Installation

TARS = 3


@dataclass
class Small:
    """Two runs over the same three TARs.

    Attributes:
        auto: the form as it is.
        forced: `compute: cpu`.
    """

    auto: Run
    forced: Run


@pytest.fixture(scope="module")
def small(installation: Installation, closing: Closing) -> Small:
    """Submit both at once: the fixture `closing` lets several runs execute concurrently."""
    put_tars(installation.node, dict.fromkeys((f"small/{number}.tar" for number in range(TARS)), "no-audio"))

    def submit(name: str, **more: str) -> Run:
        form = {"prefix": "small/", "manifest-bucket": f"s3://game-data-manifest/small-{name}", **more}
        return installation.argo.submit("gamedata", form)

    return Small(auto=submit("auto"), forced=submit("forced", compute="cpu"))


def parameters_of(installation: Installation, run: Run, stage: str) -> dict[str, Any]:
    ((found,),) = installation.rows(
        "SELECT parameters FROM pipeline.run_stages WHERE run_id = %s AND stage = %s", run.uid, stage
    )
    return dict(found)


def outputs_of(run: Run) -> dict[str, str]:
    return {each["name"]: each["value"] for each in run.nodes("plan")[-1]["outputs"]["parameters"]}


def test_little_work_takes_one_pod_and_no_rayjob(installation: Installation, small: Small) -> None:
    status = small.auto.succeeded()
    assert outputs_of(small.auto)["compute"] == "local"
    assert len(small.auto.nodes("extract-in-pod")) == 1
    assert not small.auto.nodes("extract-on-cluster")
    assert not small.auto.rayjobs()
    pods = [each["displayName"] for each in status["nodes"].values() if each["type"] == "Pod"]
    assert len(pods) == 4, pods
    code, document = small.auto.artifact(small.auto.nodes("plan")[-1], "report-json")
    assert code == 200
    assert json.loads(document)["headline"].endswith("extraction in one pod")


def test_the_ledger_has_the_limit_and_what_was_chosen(installation: Installation, small: Small) -> None:
    small.auto.succeeded()
    plan, extract = (parameters_of(installation, small.auto, stage) for stage in ("plan", "extract"))
    assert (plan["compute"], plan["one_pod_s"]) == ("auto", 28)
    assert extract["compute"] == "local"


def test_a_form_that_asks_for_a_cluster_gets_one_however_little_there_is(
    installation: Installation, small: Small
) -> None:
    small.forced.succeeded()
    assert outputs_of(small.forced)["compute"] == "cpu"
    assert not small.forced.nodes("extract-in-pod")
    assert len(small.forced.nodes("extract-on-cluster")) == 1
    assert parameters_of(installation, small.forced, "extract")["compute"] == "cpu"
    ((uid,),) = installation.rows(
        "SELECT rayjob_uid FROM pipeline.run_stages WHERE run_id = %s AND stage = 'extract'", small.forced.uid
    )
    assert uid is not None


@pytest.mark.parametrize("name", ["auto", "forced"])
def test_the_pod_of_the_manifest_publishes_it(installation: Installation, small: Small, name: str) -> None:
    run: Run = getattr(small, name)
    run.succeeded()
    assert len(run.nodes("manifest-over-statistics")) == 1
    stages = installation.rows(
        "SELECT stage, status FROM pipeline.run_stages WHERE run_id = %s ORDER BY stage_order", run.uid
    )
    assert stages == [(stage, "success") for stage in ("plan", "extract", "manifest", "publish")]
    stored = [key for key in installation.node.keys("game-data-manifest", f"small-{name}/") if key.endswith(".pt")]
    assert len(stored) == TARS
    sessions = installation.rows(
        "SELECT count(*) FROM gold.gamedata_sessions WHERE starts_with(s3_key, 'small/') AND error IS NULL"
    )
    assert sessions == [(TARS,)]
