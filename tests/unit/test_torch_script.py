"""requirements/torch.sh: every source of torch is checked against the hashes of torch.txt."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
WHEEL = "torch-2.13.0+cpu-cp311-cp311-manylinux_2_17_x86_64.whl"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with a wheel that has torch's name and version, and other contents."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    info = "torch-2.13.0+cpu.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0+cpu\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: cp311-cp311-manylinux_2_17_x86_64\n")
        wheel.writestr(f"{info}/RECORD", "")
    return folder


def run(tmp_path: Path, pip: str, **environment: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run torch.sh with a `pip` of the test and an environment that has no torch; return its pip calls."""
    bin_, log = tmp_path / "bin", tmp_path / "calls"
    bin_.mkdir()
    (bin_ / "pip").write_text(f'#!/bin/sh\necho "$*" >>{log}\n{pip}\n')
    # `-c` asks for the installed version; `-` checks whether TORCH_INDEX responds.
    (bin_ / "python").write_text(f'#!/bin/sh\n[ "$1" != -c ] || exit 1\nexec {sys.executable} "$@"\n')
    for script in bin_.iterdir():
        script.chmod(0o755)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "TORCH_"))}
    done = subprocess.run(
        ["sh", str(ROOT / "requirements" / "torch.sh")],
        env={**clean, "PIP": str(bin_ / "pip"), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done, log.read_text().splitlines() if log.exists() else []


REAL_PIP = f'exec {sys.executable} -m pip "$@" --dry-run --ignore-installed --quiet'


def test_another_wheel_of_the_same_name_is_refused(tmp_path: Path, wheels: Path):
    done, _ = run(tmp_path, REAL_PIP, PIP_FIND_LINKS=str(wheels))
    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert "TORCH_UNVERIFIED=1" in done.stderr


def test_a_wheel_without_known_hash_can_be_accepted_explicitly(tmp_path: Path, wheels: Path):
    done, _ = run(tmp_path, REAL_PIP, PIP_FIND_LINKS=str(wheels), TORCH_UNVERIFIED="1")
    assert done.returncode == 0, done.stderr
    assert "not checked" in done.stdout


def test_each_source_requires_hashes(tmp_path: Path, wheels: Path):
    index = tmp_path / "served" / "torch"
    index.mkdir(parents=True)
    sources = {
        "links": {"PIP_FIND_LINKS": str(wheels)},
        "index": {"TORCH_INDEX": (tmp_path / "served").as_uri()},
        "plain": {},
    }
    for name, environment in sources.items():
        (tmp_path / name).mkdir()
        done, calls = run(tmp_path / name, "exit 0", **environment)
        assert done.returncode == 0, (name, done.stderr)
        assert calls
        assert [call for call in calls if "--require-hashes" not in call.split()] == [], name
        assert calls[-1].endswith("/torch.txt")
    assert any("cuda.txt" in call for call in calls) == sys.platform.startswith("linux")


def test_no_lock_names_a_host():
    for lock in [*LOCKS, ROOT / "requirements" / "torch.sh"]:
        text = lock.read_text(encoding="utf-8")
        assert re.findall(r"https?://\S+|--(?:extra-)?index-url[= ]\w|--trusted-host", text) == [], lock.name


def test_every_locked_requirement_has_a_hash():
    assert {"torch.txt", "cuda.txt", "dev.txt"} <= {lock.name for lock in LOCKS}
    for lock in LOCKS:
        text = re.sub(r"(?m)^#.*\n", "", lock.read_text(encoding="utf-8"))
        blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", text)[1:]
        assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == [], lock.name


def test_cuda_adds_nothing_that_the_ray_image_locks():
    names = {
        name: set(re.findall(r"(?m)^([a-z0-9-]+)==", (ROOT / "requirements" / name).read_text(encoding="utf-8")))
        for name in ("cuda.txt", "ray.txt")
    }
    assert "triton" in names["cuda.txt"]
    assert names["cuda.txt"] & (names["ray.txt"] | {"torch"}) == set()
