"""Viewership in a cluster: reports announced, listed or found by the cron; bad, large, and with an open question."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.node import wait_for
from tests.e2e.uploads import BUCKET, LARGE_ROWS, expected, put_report, send, suspend_poll

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.argo import Run
    from tests.e2e.conftest import Closing, Opening, Sinks
    from tests.e2e.installation import Installation
    from tests.e2e.uploads import Uploads

# From the event to the last final row, in one pod.
TARGET_S = 60


@pytest.fixture(scope="module")
def uploads(installation: Installation, opening: Opening, closing: Closing) -> Uploads:
    """Submit once the long runs have ended: the seconds are those of a node with little else to do.

    The branch of every media run lists all of uploads/, and would take these reports.
    """
    opening.media.ended()
    closing.bad_media.ended()
    return send(installation)


def final(installation: Installation, name: str) -> dict[int, str]:
    """Return the episode of each line of a report among the final rows."""
    return dict(
        installation.rows(
            "SELECT r.line, d.ref_id FROM viewership.episode_details d"
            " JOIN viewership.platform_viewership r ON r.id = d.viewership_id"
            " JOIN viewership.uploads u ON u.upload_id = d.upload_id WHERE u.filename = %s",
            name,
        )
    )


def status(installation: Installation, name: str) -> list[tuple[Any, ...]]:
    return installation.rows("SELECT status, code FROM viewership.uploads WHERE filename = %s", name)


def outputs(run: Run, step: str) -> dict[str, str]:
    return {each["name"]: each["value"] for each in run.nodes(step)[-1]["outputs"]["parameters"]}


def phases(run: Run) -> dict[str, str]:
    """Return how each step of a run ended; a step without a pod counts by the node that stands for it."""
    found = {}
    for node in run.status()["nodes"].values():
        if node["displayName"] in ("upload", "normalize", "match", "load", "verify"):
            found[node["displayName"]] = node["phase"]
    return found


SMALL = {"upload": "Succeeded", "normalize": "Skipped", "match": "Omitted", "load": "Omitted", "verify": "Succeeded"}


def test_an_event_becomes_final_rows(installation: Installation, uploads: Uploads) -> None:
    uploads.event.succeeded()
    assert final(installation, "philo-2025-07.csv") == expected("philo-2025-07.csv")
    ((ended,),) = installation.rows(
        "SELECT extract(epoch FROM max(d.loaded_at))::float8 FROM viewership.episode_details d"
        " JOIN viewership.uploads u ON u.upload_id = d.upload_id WHERE u.filename = 'philo-2025-07.csv'"
    )
    took = ended - uploads.announced
    print(f"from the event to the last of 96 final rows: {took:.0f} s, of {TARGET_S} s that an idle node may take")
    assert installation.rows("SELECT delivered_at IS NOT NULL FROM public.upload_events") == [(True,)]
    # One pod did everything, and the next steps had nothing to do.
    assert phases(uploads.event) == SMALL
    assert outputs(uploads.event, "upload")["waiting"] == "0"
    stages = installation.rows(
        "SELECT stage, stage_order, status FROM pipeline.run_stages WHERE run_id = %s ORDER BY stage_order",
        uploads.event.uid,
    )
    assert stages == [
        *(("upload", 2, "success"), ("normalize", 3, "success"), ("match", 4, "success"), ("load", 7, "success")),
    ]


def test_a_bad_file_is_named_with_line_and_column_and_costs_no_good_one(
    installation: Installation, uploads: Uploads, sinks: Sinks
) -> None:
    uploads.mixed.failed()
    node = uploads.mixed.nodes("upload")[-1]
    assert node["outputs"]["exitCode"] == "65"
    # The UI shows it at the node; nothing of the bad file is stored.
    for word in ("broken-2025-05.csv", "line 3", "column 'Hours'"):
        assert word in node["message"]
    assert status(installation, "broken-2025-05.csv") == [("refused", "TOO_MANY_REJECTED")]
    assert final(installation, "broken-2025-05.csv") == {}
    assert final(installation, "amagi-2025-07.csv") == expected("amagi-2025-07.csv")
    assert phases(uploads.mixed) == SMALL | {"upload": "Failed"}
    code, page = uploads.mixed.artifact(node, "report-html")
    assert code == 200
    for word in (b"line 3", b"TOO_MANY_REJECTED", b"amagi-2025-07.csv"):
        assert word in page
    documents, mails = sinks.of(uploads.mixed.uid)
    assert (len(documents), len(mails)) == (1, 1)
    document: dict[str, Any] = documents[0]
    assert (document["pipeline"], document["step"], document["exit_code"]) == ("viewership", "upload", 65)
    assert "line 3" in json.dumps(document)


def test_a_bad_file_is_not_read_again_by_the_next_poll(uploads: Uploads) -> None:
    uploads.later.mixed.succeeded()
    assert phases(uploads.later.mixed) == SMALL


def test_an_open_question_waits_and_is_announced_once(
    installation: Installation, uploads: Uploads, sinks: Sinks
) -> None:
    uploads.asked.succeeded()
    assert status(installation, "day-or-month.csv") == [("needs_choice", "NEEDS_CHOICE")]
    documents, mails = sinks.of(uploads.asked.uid)
    assert (len(documents), len(mails)) == (1, 1)
    document: dict[str, Any] = documents[0]
    assert (document["event"], document["rejects"]) == ("upload.waiting", {"NEEDS_CHOICE": 1})
    for text in (json.dumps(document), mails[0]):
        assert "day-or-month.csv" in text
        assert "--date-order" in text
    again = uploads.later.asked
    again.succeeded()
    assert sinks.of(again.uid) == ([], [])
    # The alert sees it.
    assert int(outputs(again, "verify")["needs-choice"]) == 1


def test_the_answer_of_the_form_settles_it(installation: Installation, uploads: Uploads) -> None:
    uploads.later.asked.ended()
    form = {"files": f"s3://{BUCKET}/uploads/asked/day-or-month.csv", "period": "2025-07"}
    answered = installation.argo.submit("viewership", form)
    answered.succeeded()
    ((state, code),) = status(installation, "day-or-month.csv")
    assert (state, code) == ("loaded", None)
    # Of ten titles, four are unique; the others wait for a review.
    found = final(installation, "day-or-month.csv")
    assert 0 < len(found) < len(expected("day-or-month.csv"))
    assert found.items() <= expected("day-or-month.csv").items()
    assert outputs(answered, "verify")["day-review"] != "0"


def test_large_files_continue_in_pods_of_their_own(installation: Installation, uploads: Uploads) -> None:
    run = uploads.later.large
    run.succeeded()
    assert outputs(run, "upload")["waiting"] == "1"
    assert phases(run) == dict.fromkeys(SMALL, "Succeeded")
    assert status(installation, "large.csv") == [("loaded", None)]
    ((fates,),) = installation.rows(
        "SELECT count(*) FROM viewership.row_fates f JOIN viewership.uploads u USING (upload_id)"
        " WHERE u.filename = 'large.csv'"
    )
    assert fates == LARGE_ROWS


def test_a_parameter_that_nothing_reads_is_named_with_the_near_one(uploads: Uploads) -> None:
    uploads.misspelt.failed()
    (node,) = uploads.misspelt.nodes("upload")
    assert node["outputs"]["exitCode"] == "2"
    for word in ("prefx", "prefix"):
        assert word in node["message"]
    # A wrong parameter is not bad data: nothing else runs.
    assert phases(uploads.misspelt) == {
        "upload": "Failed", "normalize": "Skipped", "match": "Omitted", "load": "Omitted", "verify": "Skipped",
    }  # fmt: skip


def test_the_branch_of_media_loads_a_report(installation: Installation, opening: Opening) -> None:
    opening.media.succeeded()
    assert final(installation, "freevee-2025-07.csv") == expected("freevee-2025-07.csv")
    code, page = opening.media.artifact(opening.media.index(), "report-html")
    assert code == 200
    assert b"viewership" in page


def test_the_cron_takes_a_new_object(installation: Installation, uploads: Uploads) -> None:
    uploads.later.large.ended()
    assert status(installation, "wurl-2025-07.csv") == []
    suspend_poll(installation, suspend=False)
    try:
        put_report(installation, "wurl-2025-07.csv")
        wait_for(
            lambda: final(installation, "wurl-2025-07.csv") == expected("wurl-2025-07.csv"),
            120,
            "the cron has loaded the report",
            every=1,
        )
    finally:
        suspend_poll(installation, suspend=True)
    ((host,),) = installation.rows(
        "SELECT s.host FROM viewership.uploads u JOIN pipeline.run_stages s ON s.run_id = u.pipeline_run_id"
        " AND s.stage = 'upload' WHERE u.filename = 'wurl-2025-07.csv'"
    )
    assert host.startswith("viewership-poll-")


def test_the_keys_of_the_upload_reach_uploads_and_raw_files_only(installation: Installation, uploads: Uploads) -> None:
    uploads.event.ended()
    own = installation.node.s3_as(*installation.node.upload_keys())
    root = installation.node.s3
    root.put_object(Bucket=BUCKET, Key="elsewhere/a.csv", Body=b"x")
    raw = next(iter(installation.node.keys(BUCKET, "raw/")))
    assert own.get_object(Bucket=BUCKET, Key="uploads/announced/philo-2025-07.csv")["ContentLength"] > 0
    assert own.head_object(Bucket=BUCKET, Key=raw)["ContentLength"] > 0
    own.put_object(Bucket=BUCKET, Key="raw/00/test", Body=b"x")

    def code(call: Callable[..., Any], **arguments: Any) -> str:
        with pytest.raises(ClientError) as caught:
            call(**arguments)
        found: str = caught.value.response["Error"]["Code"]
        return found

    denied = {
        "write an upload": code(own.put_object, Bucket=BUCKET, Key="uploads/a.csv", Body=b"x"),
        "delete an upload": code(own.delete_object, Bucket=BUCKET, Key="uploads/announced/philo-2025-07.csv"),
        "delete a raw file": code(own.delete_object, Bucket=BUCKET, Key=raw),
        "read elsewhere": code(own.get_object, Bucket=BUCKET, Key="elsewhere/a.csv"),
        "list another bucket": code(own.list_objects_v2, Bucket="game-data"),
        "write reports": code(own.put_object, Bucket="telecine-artifacts", Key="a", Body=b"x"),
    }
    assert set(denied.values()) == {"AccessDenied"}, denied
    root.delete_object(Bucket=BUCKET, Key="elsewhere/a.csv")


def test_the_upload_runs_under_its_own_account_without_a_token(installation: Installation, uploads: Uploads) -> None:
    uploads.event.ended()
    spec = uploads.event.pod_of(uploads.event.nodes("upload")[-1]).spec
    assert spec.service_account_name == "telecine-upload"
    (main,) = [each for each in spec.containers if each.name == "main"]
    assert not [each for each in main.volume_mounts if each.mount_path.startswith("/var/run/secrets/kubernetes.io")]
    volumes = [each.projected for each in spec.volumes if each.name == "secrets"]
    assert [source.secret.name for volume in volumes for source in volume.sources] == [
        "telecine-database", "telecine-viewership", "telecine-notify",
    ]  # fmt: skip
