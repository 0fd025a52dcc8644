"""The version of Argo, asked of the executor that every pod of a Workflow has."""

from __future__ import annotations

import json

import pytest

from shared.doctor import argo, commands
from shared.doctor.settings import DoctorSettings


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("argoexec: v4.0.7", "ok"),
        ("argoexec: v4.0.7+abc1234", "ok"),
        ("argoexec: 4.0.7+unknown", "ok"),
        ("argoexec: v4.0.5", "ok"),
        ("argoexec: v4.1.0-rc1", "ok"),
        ("argoexec: v10.0.0", "ok"),
        ("argoexec: v4.0.5-rc2", "fail"),
        ("argoexec: v4.0.4", "fail"),
        ("argoexec: v4.0.2+unknown", "fail"),
        # It has the fix, but 3.x is not supported.
        ("argoexec: v3.7.14", "fail"),
        ("argoexec: v0.0.0+unknown", "warn"),
        ("argoexec: latest+7ab1234", "warn"),
        ("", "warn"),
    ],
)
def test_versions_below_4_0_5_fail_and_unknown_ones_warn(text, status):
    found = argo.judge(text)
    assert found.status == status
    if status != "ok":
        assert "4.0.5" in found.message + found.fix
        assert "CVE-2026-42296" in found.message + found.fix


def executor(folder, script):
    path = folder / "argoexec"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_the_executor_is_asked(tmp_path):
    assert argo.examine(executor(tmp_path, 'echo "argoexec: v4.0.2 $*"')).message.startswith("v4.0.2 has CVE")
    assert argo.examine(executor(tmp_path, "exit 3")).status == "warn"
    (tmp_path / "argoexec").chmod(0o644)
    assert argo.examine(tmp_path / "argoexec").status == "warn"
    assert argo.examine(tmp_path / "missing").status == "warn"


def test_the_doctor_fails_with_an_old_argo(tmp_path, monkeypatch):
    monkeypatch.setattr(commands.machine, "examine", lambda: iter(()))
    monkeypatch.setattr(commands.places, "examine_database", lambda _: iter(()))
    monkeypatch.setattr(commands.places, "examine_store", lambda _: iter(()))
    monkeypatch.setattr("shared.rayjob.doctor.look", lambda _: iter(()))
    old = executor(tmp_path, 'echo "argoexec: v4.0.4"')
    ask = argo.examine
    monkeypatch.setattr(argo, "examine", lambda: ask(old))
    text, code = commands.doctor(DoctorSettings(cluster=True, format="json"))
    assert code == 78
    assert [line["status"] for line in json.loads(text)["lines"]] == ["fail"]
