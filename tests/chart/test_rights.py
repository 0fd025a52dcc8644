"""Each account may do what its code does, and nothing else."""

from __future__ import annotations

import importlib.util
from collections import defaultdict

import pytest

from shared.rayjob.cluster import RIGHTS, list_rights
from tests.chart.rendering import CHART, LEAST, merged, render
from tests.rights import console_rights, executor_rights, launcher_rights, role_rights


@pytest.fixture(scope="module")
def granted():
    """Return the rights of each account."""
    console = {"enabled": True, "access": "proxy", "trustedProxies": ["10.0.0.0/8"], "existingSecret": "console"}
    objects = render(merged(LEAST, {"console": console}))
    roles = {each["metadata"]["name"]: role_rights(each) for each in objects if each["kind"] == "Role"}
    accounts = {each["metadata"]["name"]: {} for each in objects if each["kind"] == "ServiceAccount"}
    for each in objects:
        if each["kind"] == "RoleBinding":
            (subject,) = each["subjects"]
            assert not accounts[subject["name"]], "one role per account"
            accounts[subject["name"]] = roles.pop(each["roleRef"]["name"])
    assert not roles
    assert not [each for each in objects if each["kind"].startswith("Cluster")]
    return accounts


def test_a_step_may_do_what_argos_executor_does(granted):
    assert granted["telecine-step"] == executor_rights()


def test_the_launcher_may_do_what_its_client_does_and_what_argos_executor_does(granted):
    called = launcher_rights()
    assert not called.keys() & executor_rights().keys()
    assert granted["telecine-launcher"] == called | executor_rights()


def test_uploads_trakt_ray_pods_and_the_migration_may_do_nothing(granted):
    none = {"telecine-upload", "telecine-trakt", "telecine-ray", "telecine-migration"}
    assert granted.keys() == {"telecine-step", "telecine-launcher", "telecine-test", "telecine-console", *none}
    assert {name for name, rights in granted.items() if not rights} == none


def test_the_console_may_create_workflows(granted):
    assert granted["telecine-console"] == console_rights()


def test_the_smoke_test_may_do_what_its_script_does(granted, monkeypatch):
    spec = importlib.util.spec_from_file_location("smoke", CHART / "smoke" / "smoke.py")
    smoke = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(smoke)
    called = defaultdict(set)

    class Api:
        def __getattr__(self, name):
            def call(group, version, namespace, plural, *_):
                called[group, plural].add(name.removesuffix("_namespaced_custom_object"))
                return {"metadata": {"name": "a"}, "status": {"phase": "Succeeded"}}

            return call

    monkeypatch.setattr(smoke.config, "load_incluster_config", lambda: None)
    monkeypatch.setattr(smoke.client, "CustomObjectsApi", Api)
    monkeypatch.setenv("SMOKE_TIMEOUT_S", "1")
    smoke._run("telecine", {})
    assert granted["telecine-test"] == called


def test_doctor_and_messages_know_the_rights_that_calls_use():
    known = defaultdict(set)
    for right in RIGHTS:
        known[right.group, right.resource].add(right.verb)
    assert known == launcher_rights()
    assert list_rights() == "get workflows; create, get, list, delete rayjobs; list pods"
