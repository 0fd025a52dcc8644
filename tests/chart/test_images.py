"""`make images REGISTRY=…` builds and pushes both images, and writes values with which the chart uses them."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.chart.rendering import LEAST, ROOT, find, merged, render

if TYPE_CHECKING:
    from pathlib import Path

REVISION = "0123456789012345678901234567890123456789"
# Records its arguments; the digest of a pushed image begins with the length of its name, and answers of other
# repositories come first, as after a push to two registries.
BUILDER = """#!/bin/sh
echo "$0 $*" >>"$LOG"
digest() { printf 'sha256:%064d' "${#1}"; }
for last; do :; done
case "$*" in
    "push --quiet --digestfile "*) digest "$last" >"$4" ;;
    "image inspect "*)
        echo "elsewhere/telecine-jobs@sha256:$(printf %064d 0)"
        [ -n "${SILENT:-}" ] || echo "${last%:*}@$(digest "$last")" ;;
esac
[ "${FAILS:-}" != "$1" ]
"""
GIT = f"""#!/bin/sh
[ "$1" = status ] || echo {REVISION}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with what `make images` reads, and programs that only record their arguments."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "images").mkdir()
    shutil.copy(ROOT / "images" / "push.sh", tmp_path / "images")
    (tmp_path / "bin").mkdir()
    for name, text in {"docker": BUILDER, "podman": BUILDER, "git": GIT}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def images(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "LOG": str(folder / "log"),
        **environment,
    }
    command = ["make", "--no-print-directory", "images", *words]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=30, check=False)


def calls(folder: Path) -> list[str]:
    log = folder / "log"
    return log.read_text().replace(f"{folder}/bin/", "").splitlines() if log.exists() else []


def digest(reference: str) -> str:
    return f"sha256:{len(reference):064d}"


@pytest.mark.parametrize("builder", ["docker", "podman"])
def test_images_are_built_pushed_and_pinned_in_values_that_the_chart_takes(folder: Path, builder: str):
    words = ("REGISTRY=registry.example.com/team/", "IMAGE_TAG=1.2.3", f"BUILDER={builder}", "RAY_TARGETS=cpu gpu")
    done = images(folder, *words, "BUILD_ARGS=--build-arg BASE=python:3.11")
    assert done.returncode == 0, done.stderr
    jobs, ray = (f"registry.example.com/team/telecine-{name}" for name in ("jobs", "ray"))
    common = f"--build-arg VERSION=1.2.3 --build-arg REVISION={REVISION} --build-arg BASE=python:3.11"
    # The programs also record their own path, and the inspections of docker.
    builds = [call for call in calls(folder) if call.startswith(f"{builder} build ")]
    assert builds == [
        f"{builder} build -f images/jobs/Dockerfile -t {jobs}:1.2.3 {common} .",
        f"{builder} build -f images/ray/Dockerfile -t {ray}:1.2.3 {common} --target cpu .",
        f"{builder} build -f images/ray/Dockerfile -t {ray}:1.2.3-gpu {common} --target gpu .",
    ]
    pushed = [call.split()[-1] for call in calls(folder) if call.startswith(f"{builder} push ")]
    assert pushed == [f"{jobs}:1.2.3", f"{ray}:1.2.3", f"{ray}:1.2.3-gpu"]
    text = (folder / "build" / "images.yaml").read_text()
    assert done.stdout == text
    values = yaml.safe_load(text)
    assert set(values["images"]) == {"jobs", "ray", "rayGpu"}
    objects = render(merged(LEAST, values, {"images": {"pullSecrets": ["telecine-registry"]}}))
    migration = find(objects, "Job", "telecine-migration")["spec"]["template"]["spec"]
    assert migration["containers"][0]["image"] == f"{jobs}:1.2.3@{digest(f'{jobs}:1.2.3')}"
    assert migration["imagePullSecrets"] == [{"name": "telecine-registry"}]
    gamedata = find(objects, "WorkflowTemplate", "gamedata")["spec"]
    assert gamedata["imagePullSecrets"] == [{"name": "telecine-registry"}]
    launcher = next(each for each in gamedata["templates"] if each["name"] == "extract-on-cluster")["container"]
    variables = {each["name"]: each.get("value") for each in launcher["env"]}
    assert variables["TELECINE_RAY_IMAGE"] == f"{ray}:1.2.3@{digest(f'{ray}:1.2.3')}"
    assert variables["TELECINE_RAY_GPU_IMAGE"] == f"{ray}:1.2.3-gpu@{digest(f'{ray}:1.2.3-gpu')}"


def test_without_a_tag_it_is_the_commit_and_without_targets_the_image_for_cpus(folder: Path):
    assert images(folder, "REGISTRY=registry.example.com").returncode == 0
    values = yaml.safe_load((folder / "build" / "images.yaml").read_text())["images"]
    assert {name: image["tag"] for name, image in values.items()} == {"jobs": REVISION, "ray": REVISION}


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (("REGISTRY=https://registry.example.com",), {}, "is not a registry; expected HOST or HOST/PATH"),
        (("REGISTRY=r.example.com", "RAY_TARGETS=tpu"), {}, "'tpu' is not a target; expected cpu or gpu"),
        (("REGISTRY=r.example.com", "BUILDER=kaniko"), {}, "'kaniko' not found; expected docker or podman"),
        (("REGISTRY=r.example.com",), {"FAILS": "build"}, "==> r.example.com/telecine-jobs"),
        (("REGISTRY=r.example.com",), {"FAILS": "push"}, "==> r.example.com/telecine-jobs"),
        (("REGISTRY=r.example.com",), {"SILENT": "1"}, "telecine-jobs:" + REVISION + " has no digest"),
    ],
)
def test_what_fails_is_named_and_leaves_no_values(folder: Path, words, environment, said):
    (folder / "build").mkdir()
    (folder / "build" / "images.yaml").write_text("images: {}\n")
    done = images(folder, *words, **environment)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    # Those of an earlier build stay.
    assert (folder / "build" / "images.yaml").read_text() == "images: {}\n"
