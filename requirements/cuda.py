"""Write cuda.txt: the packages that PyPI's CUDA build of torch adds to ray.txt, with hashes. Run by lock.sh.

Not pip-compile: it would download 3 GB, while pip's dry run reads metadata only. The hashes are those of the wheels for
Linux on x86_64 and aarch64, which must resolve to the same versions.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
MACHINES = ("x86_64", "aarch64")
HEADER = """\
# Locked by requirements/lock.sh; install with --require-hashes --no-deps.
# What PyPI's Linux build of torch (torch.txt) needs besides ray.txt: CUDA's libraries and triton.
"""


def normal(name: str) -> str:
    """Return a distribution's name in the form of the lock files."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(name: str) -> dict[str, str]:
    """Return name and version of every requirement in a lock file."""
    text = (HERE / name).read_text(encoding="utf-8")
    return {normal(found[1]): found[2] for found in re.finditer(r"(?m)^([A-Za-z0-9_.-]+)==(\S+)", text)}


def resolve(machine: str, torch: str, locked: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Return the version and hash of each wheel that pip would install on a machine, except the locked ones."""
    platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in range(5, 29)]
    with tempfile.TemporaryDirectory() as folder:
        constraints, report = Path(folder, "locked.txt"), Path(folder, "report.json")
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in locked.items()), encoding="utf-8")
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed",
             "--only-binary=:all:", "--python-version=3.11", "--implementation=cp", "--abi=cp311", "--abi=abi3",
             "--abi=none", *platforms, f"--platform=manylinux2014_{machine}", f"--platform=linux_{machine}",
             f"--target={folder}/none", f"--report={report}", f"--constraint={constraints}", f"torch=={torch}"],
            check=True,
            # pip prefers a CPU wheel found in PIP_FIND_LINKS to PyPI's CUDA build.
            env={**os.environ, "PIP_FIND_LINKS": ""},
        )  # fmt: skip
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    wheels = {
        normal(entry["metadata"]["name"]): (
            entry["metadata"]["version"],
            entry["download_info"]["archive_info"]["hashes"]["sha256"],
        )
        for entry in found
    }
    return {name: wheel for name, wheel in sorted(wheels.items()) if name != "torch" and name not in locked}


def main() -> None:
    """Resolve for each machine and write cuda.txt."""
    torch, locked = pins("torch.txt")["torch"], pins("ray.txt")
    machines = [resolve(machine, torch, locked) for machine in MACHINES]
    lines = [HEADER]
    for name, (version, _) in machines[0].items():
        if any(machine.get(name, ("",))[0] != version for machine in machines):
            sys.exit(f"{name} {version} differs between {' and '.join(MACHINES)}; expected one version")
        hashes = sorted({machine[name][1] for machine in machines})
        lines.append(f"{name}=={version}" + "".join(f" \\\n    --hash=sha256:{digest}" for digest in hashes) + "\n")
    (HERE / "cuda.txt").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
