"""charts/telecine-dev/kind-up.sh applies nothing whose digest is wrong; run with stand-ins for its tools."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "charts" / "telecine-dev" / "kind-up.sh"
CONTENT = "downloaded\n"
DIGEST = hashlib.sha256(CONTENT.encode()).hexdigest()


def run(tmp_path: Path, **variables: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run the script; curl and helm write CONTENT, and every call is logged."""
    log = tmp_path / "calls"
    scripts = {
        "docker": "",
        "kind": "echo telecine",
        "kubectl": "[ ! -p /dev/stdin ] || cat >/dev/null",
        "curl": f'while [ "$1" != --output ]; do shift; done; printf "{CONTENT}" >"$2"',
        "helm": '[ "$1" = pull ] || exit 0; while [ "$1" != --destination ]; do shift; done; '
        f'printf "{CONTENT}" >"$2/kuberay-operator-1.6.1.tgz"',
    }
    for name, body in scripts.items():
        path = tmp_path / name
        path.write_text(f'#!/bin/bash\necho "{name} $*" >>{log}\n{body}\n')
        path.chmod(0o755)
    done = subprocess.run(
        ["bash", str(SCRIPT)],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done, log.read_text().splitlines()


def test_files_with_the_expected_digests_are_installed(tmp_path: Path):
    done, calls = run(tmp_path, ARGO_SHA256=DIGEST, KUBERAY_SHA256=DIGEST)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert any("apply -n argo --server-side" in call and call.endswith("/install.yaml") for call in calls)
    assert any(call.startswith("helm upgrade --install kuberay-operator /") for call in calls)


def test_another_argo_manifest_is_not_applied(tmp_path: Path):
    done, calls = run(tmp_path)
    assert done.returncode == 65
    assert f"install.yaml has sha256 {DIGEST}; expected" in done.stderr
    assert not any("apply" in call for call in calls)


def test_another_kuberay_chart_is_not_installed(tmp_path: Path):
    done, calls = run(tmp_path, ARGO_SHA256=DIGEST, KUBERAY_SHA256="0" * 64)
    assert done.returncode == 65
    assert not any("helm upgrade" in call for call in calls)


def test_a_download_without_known_digest_is_announced(tmp_path: Path):
    done, _ = run(tmp_path, ARGO_SHA256=DIGEST, KUBERAY_SHA256="")
    assert done.returncode == 0
    assert f"set KUBERAY_SHA256={DIGEST}" in done.stderr


def test_argo_has_a_digest_and_no_url_is_applied():
    text = SCRIPT.read_text(encoding="utf-8")
    assert re.search(r"ARGO_SHA256=\$\{ARGO_SHA256-[0-9a-f]{64}\}", text)
    assert re.findall(r"kubectl[^\n]*(?:\\\n[^\n]*)*-f \"?https?:", text) == []
