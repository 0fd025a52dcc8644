"""`telecine doctor`: healthy and broken setups, and the exit code of each."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jobs.cli import run
from shared.doctor import places
from shared.doctor.commands import doctor, exit_code
from shared.doctor.settings import DoctorSettings
from shared.errors import ConfigurationError
from shared.finding import Finding
from shared.ledger import open_stage
from shared.rayjob import cluster
from shared.rayjob import doctor as cluster_doctor
from shared.report import Report
from tests.postgres_server import database, empty_database, postgres  # noqa: F401
from tests.s3_server import s3_process, s3_server  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path

    from shared.cluster.rights import Right
    from tests.postgres_server import Database
    from tests.s3_server import S3Server

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

LOCAL = {"read_buckets": (), "write_buckets": ()}


def look(**values: Any) -> tuple[dict[tuple[str, str], dict[str, Any]], int]:
    text, code = doctor(DoctorSettings(**{**LOCAL, "format": "json", **values}))
    document = json.loads(text)
    assert document["exit_code"] == code
    return {(line["area"], line["name"]): line for line in document["lines"]}, code


def test_all_is_well(database, s3_server: S3Server):
    for name in ("in", "out"):
        s3_server.create_bucket(f"bucket-{name}")
    s3_server.client.put_object(Bucket="bucket-in", Key="a.tar", Body=b"x")
    lines, code = look(database_url=database.url, read_buckets=("s3://bucket-in",), write_buckets=("s3://bucket-out",))
    assert code == 0
    assert {line["status"] for line in lines.values()} <= {"ok", "warn"}
    assert lines["store", "s3://bucket-in"]["said"] == "can list, read"
    assert lines["store", "s3://bucket-out"]["said"] == "can list, write, delete"
    assert lines["database", "schema"]["status"] == "ok"
    assert ("store", "clock") in lines
    # Nothing is left behind.
    assert "Contents" not in s3_server.client.list_objects_v2(Bucket="bucket-out")


def test_a_missing_bucket_is_a_matter_of_configuration(database, s3_server: S3Server):
    lines, code = look(database_url=database.url, read_buckets=("s3://nowhere",))
    assert code == 78
    assert lines["store", "s3://nowhere"]["status"] == "fail"
    assert "nowhere" in lines["store", "s3://nowhere"]["said"]


def test_a_database_that_is_away_may_come_back():
    lines, code = look(database_url="postgresql://u:hush@127.0.0.1:1/x")
    assert code == 75
    assert "127.0.0.1:1" in lines["database", "connection"]["said"]
    assert "hush" not in json.dumps(list(lines.values()))


def test_a_database_that_is_not_migrated(empty_database):
    lines, code = look(database_url=empty_database.url)
    assert code == 78
    assert lines["database", "schema"]["todo"] == "Run: telecine db upgrade"


def test_another_environment(database):
    lines, code = look(database_url=database.url, database_environment="prod")
    assert code == 78
    assert "environment 'dev'" in lines["database", "schema"]["said"]


@pytest.mark.parametrize(("off", "status"), [(1, "ok"), (120, "warn"), (1000, "fail"), (-1000, "fail")])
def test_clocks_that_differ(database, monkeypatch, s3_server: S3Server, off, status):
    s3_server.create_bucket("bucket-out")
    monkeypatch.setattr(places, "_write", lambda _: datetime.now(UTC) + timedelta(seconds=off))
    lines, _ = look(database_url=database.url, write_buckets=("s3://bucket-out",))
    assert lines["store", "clock"]["status"] == status


def test_folders_need_not_be_there_yet(database, tmp_path: Path):
    (tmp_path / "there").mkdir()
    lines, code = look(
        database_url=database.url,
        read_buckets=(f"file://{tmp_path}/none",),
        write_buckets=(f"file://{tmp_path}/none", f"file://{tmp_path}/there"),
    )
    assert code == 0
    assert lines["store", f"file://{tmp_path}/there"]["said"] == "can list, write, delete"
    text, _ = doctor(
        DoctorSettings(database_url=database.url, read_buckets=(), write_buckets=(f"file://{tmp_path}/none",))
    )
    assert "will be created on first write" in text
    assert "in sync (0 s)" in text
    assert not [path for path in (tmp_path / "there").rglob("*") if path.is_file()]


def test_the_bucket_of_viewership_is_checked_where_it_is_used(database, monkeypatch, tmp_path, s3_server: S3Server):
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TELECINE_DATABASE_URL", database.url)
    folder = f"file://{tmp_path}/viewership"

    def checked() -> dict[str, str]:
        text, _ = doctor(DoctorSettings(read_buckets=(), format="json"))
        return {line["name"]: line["said"] for line in json.loads(text)["lines"] if line["area"] == "store"}

    assert folder not in checked()
    (tmp_path / "viewership" / "uploads").mkdir(parents=True)
    (tmp_path / "viewership" / "uploads" / "a.csv").write_bytes(b"a")
    assert checked()[folder] == "can list, read, write, delete"
    s3_server.create_bucket("their-uploads")
    for name, value in s3_server.env.items():
        monkeypatch.setenv(name, value)
    assert not {folder, "s3://viewership"} & set(checked())
    monkeypatch.setenv("TELECINE_VIEWERSHIP_BUCKET", "their-uploads")
    assert checked()["s3://their-uploads"] == "can list, write, delete"
    monkeypatch.setenv("TELECINE_VIEWERSHIP_BUCKET", "s3://gone-uploads")
    assert "gone-uploads" in checked()["s3://gone-uploads"]


def test_folders_that_runs_used_replace_the_default_ones(database, monkeypatch, tmp_path):
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    mine, gone = f"file://{tmp_path}/mine", f"file://{tmp_path}/gone"

    def checked(**values) -> dict[str, str]:
        text, _ = doctor(DoctorSettings(database_url=database.url, format="json", **values))
        return {line["name"]: line["said"] for line in json.loads(text)["lines"] if line["area"] == "store"}

    default = f"file://{tmp_path}/game-data"
    assert default in checked()
    for number, parameters in enumerate(({"source_bucket": gone}, {"source_bucket": mine, "manifest_bucket": gone})):
        settings = database.settings(run_id=f"r{number}")
        with open_stage(settings, pipeline="gamedata", stage="extract", order=2, parameters=parameters) as stage_run:
            stage_run.finish(Report())

    assert checked() == {mine: "can list", gone: "folder does not exist"}
    assert not list((tmp_path / "mine").iterdir())
    assert set(checked(read_buckets=(mine,), write_buckets=())) == {mine}
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert default in checked(cluster=False)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DROP SCHEMA viewership CASCADE", "schema 'viewership' does not exist"),
        ("DROP TABLE viewership.arrivals", "table viewership.arrivals does not exist"),
        ("DROP VIEW viewership.reconciliation CASCADE", "view viewership.reconciliation does not exist"),
    ],
)
def test_a_database_without_viewership(database, statement, what):
    database.rows(statement)
    text, code = doctor(DoctorSettings(**LOCAL, database_url=database.url, format="json"))
    said = {line["said"]: line["todo"] for line in json.loads(text)["lines"]}
    assert said[what] == "Run: telecine db upgrade"
    assert code == 78


def test_the_command_prints_what_to_do(empty_database: Database, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TELECINE_DATABASE_URL", empty_database.url)
    assert run(["doctor"]) == 78
    out = capsys.readouterr().out
    for words in ("  fail  schema", "-> Run: telecine db upgrade", "1 fail"):
        assert words in out


def test_a_permanent_failure_is_more_severe_than_a_transient_one():
    transient, permanent = Finding("a", "b", "fail", "x", retryable=True), Finding("a", "c", "fail", "x")
    assert exit_code([transient]) == 75
    assert exit_code([transient, permanent]) == 78
    assert exit_code([Finding("a", "d", "warn", "x")]) == 0


class Api:
    """A cluster that has kinds, rights and objects, or refuses to show them."""

    namespace = "telecine"

    def __init__(self, kinds: set[str], rights: set[str], objects: set[str] | None) -> None:
        self.kinds, self.rights, self.objects = kinds, rights, objects

    def may(self, right: Right) -> bool:
        return str(right) in self.rights

    def ask(self, path: str, action: str, *, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        if path == "/version":
            return {"gitVersion": "v1.34.4"}
        assert body is None
        if path.startswith("/apis/"):
            found = [{"name": name} for name in self.kinds]
            return {"resources": found} if found else None
        if self.objects is None:
            raise ConfigurationError(f"the Kubernetes API refuses to {action}")
        name = path.rpartition("/")[2]
        return {"data": {"key": ""}} if name in self.objects else None


KINDS = {"workflows", "workflowtemplates", "cronworkflows", "rayjobs", "rayclusters"}
RIGHTS = {str(right) for right in cluster.RIGHTS}
OBJECTS = {name for _, name in cluster_doctor._CHART_OBJECTS}


@pytest.mark.parametrize(
    ("api", "failed"),
    [
        (Api(KINDS, RIGHTS, OBJECTS), {}),
        (Api(KINDS, RIGHTS, None), {}),
        (Api(KINDS, set(), None), {}),
        (
            Api(KINDS - {"rayjobs"}, RIGHTS, OBJECTS),
            {"KubeRay": "the cluster has no rayjobs (ray.io/v1)"},
        ),
        (Api(set(), RIGHTS, OBJECTS), {"Argo Workflows": "", "KubeRay": ""}),
        (
            Api(KINDS, RIGHTS - {"delete rayjobs", "list pods"}, None),
            {"own rights": "cannot delete rayjobs, list pods"},
        ),
        (
            Api(KINDS, RIGHTS, OBJECTS - {"telecine-limits"}),
            {"configmap telecine-limits": "does not exist in namespace telecine"},
        ),
    ],
    ids=["all", "launcher", "step", "no kuberay", "no operators", "lost rights", "no limits"],
)
def test_a_cluster(api, failed):
    lines = {line.name: line for line in cluster_doctor.examine(api)}
    found = {name: line.message for name, line in lines.items() if line.status == "fail"}
    assert found.keys() == failed.keys()
    for name, said in failed.items():
        assert said in found[name]
        assert lines[name].fix


def test_a_pod_without_a_token_is_no_failure(database, monkeypatch):
    pytest.importorskip("kubernetes")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    lines, code = look(database_url=database.url)
    assert code == 0
    assert lines["cluster", "connection"]["status"] == "warn"
