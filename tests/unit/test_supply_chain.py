"""The update bot's configuration, the pinning of the base image, and what the chart and the repository say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from images.contents import pins

ROOT = Path(__file__).parents[2]
RENOVATE: dict[str, Any] = json.loads((ROOT / ".renovaterc.json").read_text(encoding="utf-8"))
# What Renovate's own schema (2026-11) allows, of the keys that we use: an unknown key is ignored without a message.
KEYS = {
    "": {
        "$schema", "description", "extends", "enabledManagers", "schedule", "prConcurrentLimit", "vulnerabilityAlerts",
        "pip_requirements", "dockerfile", "gomod", "customManagers", "packageRules",
    },
    "customManagers": {
        "description", "customType", "managerFilePatterns", "matchStrings", "datasourceTemplate", "depNameTemplate",
        "registryUrlTemplate", "extractVersionTemplate",
    },
    "packageRules": {
        "description", "matchManagers", "matchPackageNames", "matchDepTypes", "matchFileNames", "groupName",
        "allowedVersions", "enabled",
    },
}  # fmt: skip
TRACKED = [path.relative_to(ROOT).as_posix() for folder in ("requirements", "images", "tests/cluster", "charts")
           for path in (ROOT / folder).rglob("*") if path.is_file()]  # fmt: skip


def group(manager: str, package: str, file: str = "requirements/jobs.txt") -> str | None:
    """Return the group of a package, by Renovate's rules: globs, `!` excludes, later rules win."""
    found = None
    for rule in RENOVATE["packageRules"]:
        names = rule.get("matchPackageNames", ["*"])
        wanted = [name for name in names if not name.startswith("!")]
        unwanted = [name[1:] for name in names if name.startswith("!")]
        hits = [_glob(name, package) for name in wanted] or [True]
        excluded = any(_glob(name, package) for name in unwanted)
        read = file in rule.get("matchFileNames", [file])
        if manager in rule.get("matchManagers", [manager]) and any(hits) and not excluded and read:
            found = rule.get("groupName", found)
    return found


def _glob(pattern: str, name: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*\*", ".*").replace(r"\*", "[^/]*"), name) is not None


def test_the_bots_configuration_uses_known_keys():
    assert RENOVATE.keys() <= KEYS[""]
    for section in ("customManagers", "packageRules"):
        for entry in RENOVATE[section]:
            assert entry.keys() <= KEYS[section]
            assert entry["description"]


def test_every_manager_has_files():
    for manager in ("pip_requirements", "dockerfile", "gomod"):
        for pattern in RENOVATE[manager]["managerFilePatterns"]:
            assert [path for path in TRACKED if re.search(pattern.strip("/"), path)], pattern
    names = {name for name in RENOVATE["enabledManagers"] if name != "custom.regex"}
    assert names == {"pep621", "pip_requirements", "dockerfile", "gomod"}


def test_the_bot_reads_the_versions_of_the_kind_cluster():
    text = (ROOT / "charts/telecine-dev/kind-up.sh").read_text(encoding="utf-8")
    for manager in RENOVATE["customManagers"]:
        (pattern,) = manager["matchStrings"]
        found = re.findall(pattern.replace("(?<", "(?P<"), text)
        assert len(found) == 1, manager["depNameTemplate"]
        assert re.fullmatch(r"\d+\.\d+\.\d+", found[0])


def test_what_must_move_together_is_one_pull_request():
    together = {"torch", "ray", "av", "numpy", *pins("cuda")}
    for package in pins("ray", "jobs", "gamedata", "dev", "torch", "cuda"):
        expected = "torch, ray and av" if package in together else "Python packages"
        assert group("pip_requirements", package) == group("pep621", package) == expected, package
    assert {group("pip_requirements", package, "requirements/dbt.txt") for package in pins("dbt")} == {"dbt"}
    assert group("gomod", "github.com/argoproj/argo-workflows/v4") == group("custom.regex", "argoproj/argo-workflows")


def test_the_bot_pins_digests_of_base_images():
    assert "docker:pinDigests" in RENOVATE["extends"]


@pytest.mark.parametrize("image", ["jobs", "ray"])
def test_the_base_can_be_overridden_and_have_a_digest(image: str):
    text = (ROOT / "images" / image / "Dockerfile").read_text(encoding="utf-8")
    assert len(re.findall(r"(?m)^ARG BASE=[a-z0-9./:_-]+(?:@sha256:[0-9a-f]{64})?$", text)) == 1
    assert set(re.findall(r"(?m)^FROM (\S+)", text)) <= {"${BASE}", "requirements", "runtime"}


def pin(tmp_path: Path, digest: str) -> tuple[subprocess.CompletedProcess[str], str]:
    images, tools = tmp_path / "images", tmp_path / "tools"
    shutil.copytree(ROOT / "images", images, dirs_exist_ok=True)
    tools.mkdir(exist_ok=True)
    for tool in ("sh", "sed", "sort", "wc", "grep", "dirname", "cut", "env"):
        if not (tools / tool).exists():
            (tools / tool).symlink_to(shutil.which(tool) or tool)
    (tools / "crane").write_text(f'#!/bin/sh\n[ "$*" = "digest python:3.11-slim-bookworm" ] && echo "{digest}"\n')
    (tools / "crane").chmod(0o755)
    done = subprocess.run(
        ["sh", "pin-base.sh"], cwd=images, env={"PATH": str(tools)}, capture_output=True, text=True, check=False
    )
    return done, "".join(path.read_text(encoding="utf-8") for path in sorted(images.glob("*/Dockerfile")))


def test_base_digest_pins_both_dockerfiles_and_repeats(tmp_path: Path):
    for digit in "ab":
        digest = f"sha256:{digit * 64}"
        done, text = pin(tmp_path / digit, digest)
        assert done.returncode == 0, done.stderr
        assert text.count(f"ARG BASE=python:3.11-slim-bookworm@{digest}\n") == 2


def test_base_digest_writes_nothing_but_a_digest(tmp_path: Path):
    done, text = pin(tmp_path, "unauthorized")
    assert done.returncode == 75
    assert "unauthorized" not in text


def test_the_chart_says_who_maintains_it():
    chart = yaml.safe_load((ROOT / "charts/telecine/Chart.yaml").read_text(encoding="utf-8"))
    assert [entry["name"] for entry in chart["maintainers"]] == ["The telecine authors"]
    assert all("email" not in entry for entry in chart["maintainers"])
    assert chart["keywords"]
    assert chart["kubeVersion"]
    assert "## Prerequisites" in (ROOT / "charts/telecine/README.md").read_text(encoding="utf-8")


def test_the_security_policy_names_a_way_and_versions_and_no_address():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "Report a vulnerability" in text
    assert "## Supported versions" in text
    assert re.findall(r"\S+@\S+", text) == []
