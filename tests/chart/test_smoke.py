"""The script of `helm test`, run against fakes of the API server, the store and the database."""

from __future__ import annotations

import importlib.util
import re
from types import SimpleNamespace

import pytest

from jobs.gamedata.sample.kinds import KINDS
from jobs.gamedata.settings import SampleSettings
from shared.settings.command import parse
from shared.storage import open_store
from tests.chart.rendering import CHART, LEAST, SAMPLES, find, merged, parsed, render

PLACE = "s3://telecine-artifacts/smoke/id-1"


@pytest.fixture
def smoke():
    spec = importlib.util.spec_from_file_location("smoke", CHART / "smoke" / "smoke.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Api:
    """A fake of the custom objects API: the Workflow has ended at the third request."""

    def __init__(self, phase, doctor="Succeeded"):
        self.phases = {"maintenance": doctor, "gamedata": phase}
        self.made = []
        self.looks = 0

    def create_namespaced_custom_object(self, group, version, namespace, plural, body):
        self.made.append((group, version, namespace, plural, body))
        self.looks = 0
        return {"metadata": {"name": "telecine-smoke-x"}}

    def get_namespaced_custom_object(self, *_):
        self.looks += 1
        template = self.made[-1][-1]["spec"]["workflowTemplateRef"]["name"]
        phase = self.phases[template]
        nodes = {"a": {"type": "Pod", "phase": phase, "displayName": "extract", "message": "exit code 70"}}
        if template == "maintenance":
            nodes["a"] |= {"displayName": "doctor", "message": "fail Argo version v4.0.2 has CVE-2026-42296"}
        ended = {"phase": phase, "message": "child failed", "nodes": nodes}
        return {"status": ended if self.looks > 2 else {"phase": "Running", "progress": f"{self.looks}/5"}}


class Database:
    """A fake database that counts, deletes and records its queries."""

    def __init__(self, sessions):
        self.sessions = sessions
        self.asked = []

    def connect(self):
        return self

    begin = connect

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def execute(self, query, values):
        self.asked.append((str(query).split()[0], values["prefix"]))
        return SimpleNamespace(scalar_one=lambda: self.sessions)


@pytest.fixture
def run(smoke, monkeypatch, tmp_path, capsys):
    def call(*, phase="Succeeded", doctor="Succeeded", pt_files=3, sessions=3):
        store = open_store(f"file://{tmp_path}/store", create=True)
        for number in range(pt_files):
            store.put(f"extracted/{number}.pt", b"x")
        store.put("tars/dark.tar", b"x")
        api, database = Api(phase, doctor), Database(sessions)
        monkeypatch.setattr(smoke.config, "load_incluster_config", lambda: None)
        monkeypatch.setattr(smoke.client, "CustomObjectsApi", lambda: api)
        monkeypatch.setattr(smoke, "engine", lambda _: database)
        monkeypatch.setattr(smoke, "open_store", lambda _: store)
        monkeypatch.setattr(smoke, "POLL_S", 0)
        for name, value in {"PLACE": PLACE, "NAMESPACE": "telecine", "COMPUTE": "cpu", "TIMEOUT_S": "60"}.items():
            monkeypatch.setenv(f"SMOKE_{name}", value)
        code = smoke.main()
        return SimpleNamespace(code=code, out=capsys.readouterr().out, api=api, database=database, store=store)

    return call


def test_a_good_run_passes_and_leaves_nothing_behind(run):
    done = run()
    assert done.code == 0
    assert "ok: 3 TARs" in done.out
    assert not list(done.store.list())
    assert done.database.asked == [("SELECT", "smoke/id-1/"), ("DELETE", "smoke/id-1/")]


def test_an_unsupported_argo_fails_before_anything_is_submitted(run):
    done = run(doctor="Failed")
    assert done.code == 1
    assert "FAILED: step doctor: fail Argo version v4.0.2 has CVE-2026-42296" in done.out
    assert [body["spec"]["workflowTemplateRef"]["name"] for *_, body in done.api.made] == ["maintenance"]
    assert not list(done.store.list())


def test_what_a_node_says_is_one_line_without_secrets_and_escapes(smoke, capsys):
    smoke._say("step extract: \x1b[2J postgresql://u:hush-hush@h/d\nok: 3 TARs")
    assert capsys.readouterr().out == "step extract: \\x1b[2J postgresql://u:***@h/d\\nok: 3 TARs\n"


def test_it_submits_only_references_to_our_templates(run):
    """With `templateReferencing: Strict`, Argo rejects any other field of the spec."""
    bodies = [body for *_, body in run().api.made]
    assert [body["spec"]["entrypoint"] for body in bodies] == ["doctor", "main"]
    for body in bodies:
        assert set(body["spec"]) <= {"workflowTemplateRef", "entrypoint", "arguments"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"phase": "Failed"}, "step extract: exit code 70"),
        ({"phase": "Error"}, "the run ended Error: child failed"),
        ({"pt_files": 2}, "2 .pt files; expected 3"),
        ({"sessions": 0}, "0 sessions without error below smoke/id-1/; expected 3"),
    ],
)
def test_missing_results_are_reported_and_cleaned_up(run, changes, said):
    done = run(**changes)
    assert done.code == 1
    assert said in done.out
    assert not list(done.store.list())
    assert done.database.asked[-1][0] == "DELETE"


def test_the_workflow_passes_parameters_of_the_template(smoke):
    """It always sets a prefix: publish deletes the sessions below it that the manifest does not contain."""
    body = smoke.workflow("telecine-artifacts", "smoke/id-1/", PLACE, "cpu")
    given = {each["name"]: each["value"] for each in body["spec"]["arguments"]["parameters"]}
    assert given["prefix"] == "smoke/id-1/"
    assert given["source-bucket"] == "telecine-artifacts"
    path = CHART / "files" / "gamedata.yaml"
    (template,) = parsed((path if path.exists() else SAMPLES / "gamedata.yaml").read_text(encoding="utf-8"))
    assert set(given) <= {each["name"] for each in template["spec"]["arguments"]["parameters"]}
    assert body["spec"]["workflowTemplateRef"]["name"] == template["metadata"]["name"]


def test_the_pod_sets_every_variable_that_the_script_reads_and_asks_for_samples_that_exist():
    pod = find(render(merged(LEAST, {"test": {"prefix": "a/b"}})), "Pod", "telecine-smoke")["spec"]
    (container,) = pod["containers"]
    (sample,) = pod["initContainers"]
    text = (CHART / "smoke" / "smoke.py").read_text(encoding="utf-8")
    assert set(re.findall(r'os\.environ\["(\w+)"\]', text)) <= {each["name"] for each in container["env"]}
    (place,) = [each["value"] for each in sample["env"] if each["name"] == "SMOKE_PLACE"]
    assert place == "s3://telecine-artifacts/a/b/$(SMOKE_ID)"
    assert sample["command"][:3] == ["telecine", "gamedata", "sample"]
    settings = parse(
        SampleSettings, "sample", "", [each.replace("$(SMOKE_PLACE)", PLACE) for each in sample["command"][3:]]
    )
    assert settings.output == PLACE
    assert len(settings.include) == 3
    assert all(KINDS[kind].truth.error_code is None for kind in settings.include)
