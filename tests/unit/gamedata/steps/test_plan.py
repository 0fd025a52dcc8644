"""The plan step: wrong parameters are found before anything starts, and what a run would do is told."""

from __future__ import annotations

import base64
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.gamedata.parts.store import write_part
from jobs.gamedata.settings import PlanSettings
from jobs.gamedata.steps import plan
from shared.errors import BucketMissing, UsageError
from shared.report.page import render
from shared.step.form import GIVEN_VARIABLE
from shared.storage import open_store
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.parts import error_row, part_row

if TYPE_CHECKING:
    from shared.report import Report

ROOT = Path(__file__).parents[4]
CHECK = """
from jobs.gamedata.checks import statistics_check

@statistics_check("is_long", bool)
def is_long(sessions):
    return sessions["duration_s"] > 1
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    source = open_store(f"file://{tmp_path}/in", create=True)
    for name in ("a/1.tar", "a/2.tar", "b/3.tar", "notes.txt"):
        source.put(name, b"x" * 1000)
    return tmp_path


def settings(place: Path, **values: object) -> PlanSettings:
    known = {"source_bucket": f"file://{place}/in", "manifest_bucket": f"file://{place}/out"}
    return PlanSettings(**{**known, "output_path": str(place / "m.parquet"), **values})


def go(place: Path, **values: object) -> Report:
    return plan.run(settings(place, **values), MemoryStageRun(stage="plan"))


@pytest.mark.parametrize(
    ("compute", "variables", "said"),
    [
        ("cpu", {"CPU_WORKERS": "65"}, "cpu-workers 65 exceeds this installation's limit; expected at most 64"),
        ("mixed", {"GPU_WORKERS": "3", "GPU_MAX_WORKERS": "2"}, "expected at most 2"),
        ("gpu", {"GPU_WORKERS": "many"}, "TELECINE_RAY_GPU_WORKERS"),
    ],
)
def test_too_many_workers_fail_before_anything_starts(place, monkeypatch, compute, variables, said):
    for name, value in variables.items():
        monkeypatch.setenv(f"TELECINE_RAY_{name}", value)
    with pytest.raises(UsageError, match=said):
        go(place, compute=compute)
    assert go(place, compute="local").counts["to_read"] == 3


def test_what_would_be_read_is_counted(place):
    report = go(place, workers=2)
    assert report.counts == {
        "to_read": 3,
        "done": 0,
        "failed_before": 0,
        "missing": 0,
        "left_out": 0,
        "passed_over": 1,
        "batches": 3,
        "bytes": 3000,
        "cpu_s": 1,
    }
    assert report.headline == "3 TARs: 3 to read"
    page = render(report)
    for words in ("a/1.tar", "Passed over", "not a TAR", "notes.txt", "Estimate", "--source-bucket", "with 2 workers"):
        assert words in page
    # A plan leaves the outputs alone.
    assert not list(open_store(f"file://{place}/out").list())
    assert not (place / "m.parquet").exists()


@pytest.mark.parametrize(
    ("more", "chosen", "words"),
    [
        ({"compute": "auto"}, "local", "in one pod"),
        ({"compute": "auto", "one_pod_s": 1}, "cpu", "on a Ray cluster"),
        ({"compute": "auto", "device": "cuda"}, "gpu", "on a Ray cluster with GPUs"),
        ({"compute": "mixed"}, "mixed", ""),
        ({}, "local", ""),
    ],
)
def test_where_extract_runs_is_chosen_and_shown(place, monkeypatch, more, chosen, words):
    monkeypatch.setenv("TELECINE_OUTPUTS_DIR", str(place / "outputs"))
    report = go(place, **more)
    # Argo decides by this file.
    assert (place / "outputs" / "compute").read_text() == chosen
    assert report.outputs == {"compute": chosen}
    assert report.headline == "3 TARs: 3 to read" + (f"; extraction {words}" if words else "")
    (row,) = [row for row in report.sections[0].rows if row[0] == "--compute"]
    assert row[1] == more.get("compute", "local")
    assert ("s of CPU time" in row[2]) is (row[1] == "auto")


def test_nothing_to_read_takes_one_pod(place):
    assert go(place, compute="auto", prefix="nothing/").outputs == {"compute": "local"}


def test_the_workers_of_auto_are_checked_although_it_may_need_none(place, monkeypatch):
    monkeypatch.setenv("TELECINE_RAY_GPU_WORKERS", "17")
    go(place, compute="auto")
    with pytest.raises(UsageError, match="gpu-workers 17 exceeds"):
        go(place, compute="auto", device="cuda")


def test_it_is_compared_with_what_is_committed(place):
    source, target = open_store(f"file://{place}/in"), open_store(f"file://{place}/out", create=True)
    asked = settings(place, store=False)
    same = {"spec_digest": asked.spec().digest}
    rows = [
        part_row("a/1.tar", **same, source_etag=source.stat("a/1.tar").etag),
        error_row("a/2.tar", "tar_corrupt", **same, source_etag=source.stat("a/2.tar").etag),
    ]
    write_part(target, rows)
    (place / "tasks.txt").write_text("a/1.tar\na/2.tar\nb/3.tar\nc/4.tar\n")
    report = go(place, store=False, task_list=str(place / "tasks.txt"))
    found = {name: report.counts[name] for name in ("to_read", "done", "failed_before", "missing")}
    assert found == {"to_read": 1, "done": 1, "failed_before": 1, "missing": 1}
    assert report.items == 4
    page = render(report)
    assert "tar_corrupt" in page
    assert "c/4.tar" in page


def test_every_wrong_parameter_is_told_at_once(place):
    (place / "bad.py").write_text("1 / 0")
    (place / "model.pt2").write_text("no zip")
    with pytest.raises(UsageError) as caught:
        go(
            place,
            task_list=str(place / "none.txt"),
            checks=(str(place / "bad.py"), str(place / "missing.py")),
            menu_references=str(place / "nowhere"),
            menu_model=str(place / "model.pt2"),
            output_path="gs://bucket/x",
        )
    lines = caught.value.message.splitlines()
    assert [line.partition(" ")[0].rstrip(":") for line in lines] == [
        "--output-path",
        "--task-list",
        "--checks",
        "--checks",
        "--menu-references",
        "--menu-model",
    ]
    assert "ZeroDivisionError" in lines[2]


def test_a_missing_bucket_is_more_severe_than_a_wrong_value(place):
    with pytest.raises(BucketMissing) as caught:
        go(place, source_bucket=f"file://{place}/nowhere", output_path="gs://bucket/x")
    assert caught.value.exit_code == 78
    assert "gs://bucket/x" in caught.value.message


def test_names_that_nothing_reads_are_told_with_the_rest(place, monkeypatch):
    monkeypatch.setenv("TELECINE_FORM_PARAMETERS", "prefix,checks")
    monkeypatch.setenv(GIVEN_VARIABLE, base64.b64encode(b'["prefix", "checks"]').decode())
    parameters = go(place).sections[0]
    assert ["names of the form", "", "2 names, all known"] in parameters.rows
    monkeypatch.setenv(GIVEN_VARIABLE, base64.b64encode(b'["prefix", "checks", "check"]').decode())
    with pytest.raises(UsageError) as caught:
        go(place, output_path="gs://bucket/x")
    output, name = caught.value.message.splitlines()
    assert output.startswith("--output-path")
    assert "unknown parameter check; did you mean checks?" in name


def test_right_parameters_are_listed(place):
    (place / "check.py").write_text(CHECK)
    (place / "torch_check.py").write_text("import torchvision.nowhere")
    with zipfile.ZipFile(place / "model.pt2", "w") as archive:
        archive.writestr("m/models/model.json", '{"graph_module": {"graph": {}}}')
        archive.writestr("m/data/weights/model_weights_config.json", '{"config": {}}')
        archive.writestr("m/data/constants/model_constants_config.json", '{"config": {}}')
        archive.writestr("m/data/weights/weight_0", "x" * 2_000_000)
    report = go(
        place,
        checks=(str(place / "check.py"), str(place / "torch_check.py")),
        menu_model=str(place / "model.pt2"),
    )
    table = next(section for section in report.sections if section.title == "Parameters")
    found = {flag: said for flag, _, said in table.rows if flag != "--checks"}
    assert found["--manifest-bucket"] == "will be created"
    assert found["--menu-model"] == "2.0 MB"
    checks = [said for flag, _, said in table.rows if flag == "--checks"]
    assert checks[0] == "1 checks"
    assert checks[1].startswith("read; needs torchvision")


def test_files_outside_the_places_of_the_operator_are_refused(place, monkeypatch):
    (place / "check.py").write_text(CHECK)
    monkeypatch.setenv("TELECINE_CHECKS_PLACES", "none")
    monkeypatch.setenv("TELECINE_MENU_MODEL_PLACES", "s3://models/menu")
    with pytest.raises(UsageError) as caught:
        go(place, checks=(str(place / "check.py"),), menu_model="s3://models/other.pt2")
    checks, model = caught.value.message.splitlines()
    assert "check.py is not in a folder for checks; expected a file in none" in checks
    assert "s3://models/other.pt2 is not in a place for models; expected a file in s3://models/menu" in model


def test_no_parameter_names_a_secret(place, tmp_path, monkeypatch):
    """Otherwise a NameError shows a key as code, and a list of tasks shows it as a TAR that does not exist."""
    secrets = tmp_path / "secrets"
    (secrets / "..data").mkdir(parents=True)
    (secrets / "..data/AWS_SECRET_ACCESS_KEY").write_text("wJalrXUtnFEMI")
    (secrets / "AWS_SECRET_ACCESS_KEY").symlink_to("..data/AWS_SECRET_ACCESS_KEY")
    (tmp_path / "link.txt").symlink_to(secrets / "AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("TELECINE_SECRETS_DIR", str(secrets))
    for path in (f"{secrets}/AWS_SECRET_ACCESS_KEY", f"{tmp_path}/link.txt", "/proc/self/environ"):
        with pytest.raises(UsageError) as caught:
            go(place, checks=(path,), task_list=path, menu_model=path)
        assert "wJalrXUtnFEMI" not in caught.value.message
        assert len(caught.value.message.splitlines()) == 3


def test_no_folder_of_references_leads_to_secrets(place, tmp_path, monkeypatch):
    secrets, references = tmp_path / "secrets", tmp_path / "references"
    for folder in (secrets, references):
        folder.mkdir()
    (secrets / "key.png").write_text("wJalrXUtnFEMI")
    (references / "a.png").symlink_to(secrets / "key.png")
    (tmp_path / "link").symlink_to(secrets)
    monkeypatch.setenv("TELECINE_SECRETS_DIR", str(secrets))
    for path in (secrets, references, tmp_path / "link", tmp_path, "/proc/self"):
        with pytest.raises(UsageError, match="leads to a folder of secrets or processes"):
            go(place, menu_references=str(path))


def test_a_prefix_that_no_tar_has(place):
    assert go(place, prefix="zzz").headline.endswith("has a key that starts with 'zzz'")


WITHOUT = """
import sys
for name in ("torch", "ray", "av"):
    sys.modules[name] = None
from jobs.gamedata.steps import plan
from jobs.gamedata.settings import PlanSettings
from tests.fakes.ledger import MemoryStageRun
source, target, references = sys.argv[1:]
settings = PlanSettings(source_bucket=source, manifest_bucket=target, menu_references=references)
report = plan.run(settings, MemoryStageRun())
print(report.counts["to_read"], *(row[2] for row in report.sections[0].rows))
"""


def test_it_needs_neither_torch_nor_ray_nor_pyav(place):
    (place / "menus").mkdir()
    (place / "menus" / "menu.png").write_bytes(b"a picture")
    argv = [f"file://{place}/in", f"file://{place}/out", str(place / "menus")]
    done = subprocess.run([sys.executable, "-c", WITHOUT, *argv], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 ")
    assert "pictures, which only the workers can read" in done.stdout
