"""Text from a TAR's key, a run manifest and the form reaches people as written: not evaluated, not expanded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.arrivals import put_files
from tests.e2e.places import put_tars
from tests.screenalytics_runs import make_run

if TYPE_CHECKING:
    from tests.e2e.argo import Run
    from tests.e2e.conftest import Opening, Sinks
    from tests.e2e.installation import Installation

# Argo would print 9 times A, fail, and print its own name; the kubelet would print the passwords.
EVALUATED = "{{=sprig.repeat(9,`A`)}}"
MALFORMED = "{{=nope(}}"
EXPANDED = "$(TELECINE_DATABASE_URL)$(AWS_SECRET_ACCESS_KEY)"
TEXT = f"{EVALUATED}{MALFORMED}{{{{workflow.name}}}}{EXPANDED}"


@dataclass
class Hostile:
    """Workflows that were given such text.

    Attributes:
        tar: a TAR with the text in its key, which fails.
        manifest: a run manifest with the text in the name of its artifact.
        form: the text of the kubelet in the form; Argo itself evaluates what a submitter writes into arguments.
        flags: a flag in place of a run's id.
    """

    tar: Run
    manifest: Run
    form: Run
    flags: Run


@pytest.fixture(scope="module")
def hostile(installation: Installation, opening: Opening) -> Hostile:
    opening.arrivals.bad.ended()
    put_tars(installation.node, {f"hostile/{TEXT}.tar": "no-metadata"})
    hostile = make_run("hostile", prefix="hostile", artifact={"artifact_key": TEXT, "schema_version": "screentime.v9"})
    put_files(installation.node, hostile)
    submit = installation.argo.submit
    places = {"manifest-bucket": "s3://game-data-manifest/hostile", "compute": "local", "max-failed": 0}
    return Hostile(
        tar=submit("gamedata", {"prefix": "hostile/", **places}),
        manifest=submit("screenalytics", {"arrival": "poll", "prefix": "hostile"}),
        form=submit("gamedata", {"strides": f"{EXPANDED} '\"`$HOME`; --all", **places}),
        flags=submit("screenalytics", {"run": "--database-url=postgresql://x:y@127.0.0.1:1/z"}, entrypoint="replay"),
    )


def secrets(installation: Installation) -> list[str]:
    settings = installation.node.settings
    return [settings["PG_PASSWORD"], settings["S3_SECRET_KEY"]]


def plain(text: str) -> str:
    """Return a text without the spaces that keep its braces apart."""
    return text.replace("{ {", "{{").replace("$ (", "$(")


def check(run: Run, installation: Installation, sinks: Sinks, *, step: str, shown: str) -> dict[str, Any]:
    """Require that node, notification, mail and ledger hold the text as it was, and no secret."""
    run.failed()
    node = run.nodes(step)[-1]
    (close,) = run.nodes("close-run")
    assert close["phase"] == "Succeeded", run.log(close)
    documents, mails = sinks.of(run.uid)
    assert (len(documents), len(mails)) == (1, 1)
    ledger = installation.rows("SELECT status, error_details::text FROM pipeline.run_stages WHERE run_id = %s", run.uid)
    texts = [node["message"], json.dumps(documents[0], ensure_ascii=False), mails[0], str(ledger), run.log(close)]
    for text in texts:
        assert "A" * 9 not in text
        for secret in secrets(installation):
            assert secret not in text
    assert shown in plain(node["message"])
    assert shown in plain(str(documents[0]))
    assert shown in plain(mails[0])
    assert installation.rows("SELECT status FROM pipeline.runs WHERE run_id = %s", run.uid) == [("failed",)]
    return documents[0]


def test_a_key_of_a_tar_is_not_evaluated(hostile: Hostile, installation: Installation, sinks: Sinks) -> None:
    document = check(hostile.tar, installation, sinks, step="extract-in-pod", shown=EVALUATED)
    assert document["code"] == "metadata_missing"
    assert MALFORMED in plain(str(document))
    assert EXPANDED in plain(str(document))


def test_a_field_of_a_manifest_is_not_evaluated(hostile: Hostile, installation: Installation, sinks: Sinks) -> None:
    check(hostile.manifest, installation, sinks, step="ingest", shown=EVALUATED)


def test_a_value_of_the_form_is_not_expanded(hostile: Hostile, installation: Installation, sinks: Sinks) -> None:
    check(hostile.form, installation, sinks, step="plan", shown="$(TELECINE_DATABASE_URL)")


def test_a_value_of_the_form_is_not_a_flag(hostile: Hostile, installation: Installation) -> None:
    hostile.flags.failed()
    (node,) = hostile.flags.nodes("replay")
    # It was taken for the id of a run.
    assert "--database-url" in node["message"]
    assert node["outputs"]["exitCode"] in ("2", "65")
