"""Every step refuses a wrong parameter before it starts work, and reports each problem once."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from jobs.gamedata.settings import ExtractSettings, ManifestSettings, PublishSettings, RunSettings, VerifySettings
from jobs.gamedata.steps import _launch, extract, manifest, publish, run, verify
from shared.errors import (
    AccessDenied,
    BucketMissing,
    ConfigurationError,
    DataError,
    EndpointUnreachable,
    TelecineError,
    UsageError,
)
from shared.storage import open_store
from tests.fakes import parts
from tests.fakes.ledger import MemoryStageRun

if TYPE_CHECKING:
    from pathlib import Path

CHECK = "from jobs.gamedata.checks import statistics_check\nstatistics_check('mine', bool)(lambda session, _: True)\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    open_store(f"file://{tmp_path}/in", create=True).put("a.tar", b"no tar")
    parts.commit(open_store(f"file://{tmp_path}/out", create=True), parts.gameplay("old.tar"))
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "one.py").write_text(CHECK)
    (tmp_path / "two.py").write_text(CHECK)
    return tmp_path


def known(place: Path, **changes: Any) -> dict[str, Any]:
    values = {"source_bucket": f"{place}/in", "manifest_bucket": f"{place}/out", "output_path": f"{place}/m.parquet"}
    return values | {
        name: value.format(place) if isinstance(value, str) else tuple(each.format(place) for each in value)
        for name, value in changes.items()
    }


def settings_of(model: type, place: Path, **changes: Any) -> Any:
    values = known(place, **changes)
    return model(**{name: value for name, value in values.items() if name in model.model_fields})


def files(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.rglob("*"))


OUTPUTS = [
    ({"output_path": "{}/dir/"}, UsageError, "--output-path: '{}/dir/' is not the path of a file"),
    ({"output_path": "{}/folder"}, UsageError, "--output-path {}/folder is a folder; expected a file"),
    ({"output_path": "{}/file/m.parquet"}, UsageError, "--output-path {}/file: {}/file is a file; expected a folder"),
    ({"output_path": "gs://bucket/m.parquet"}, UsageError, "--output-path: 'gs://bucket/m.parquet'"),
    ({"output_path": "/proc/self/m.parquet"}, UsageError, "is below /proc or a folder of secrets"),
    ({"cache_dir": "{}/file"}, UsageError, "--cache-dir {}/file: {}/file is a file; expected a folder"),
]
CHECKS = [
    ({"checks": ["{}/absent.py"]}, UsageError, "--checks {}/absent.py cannot be read"),
    ({"checks": ["{}/one.py", "{}/two.py"]}, UsageError, "is defined twice"),
    ({"menu_references": "{}/nowhere"}, UsageError, "--menu-references {}/nowhere: folder does not exist"),
    ({"menu_model": "{}/file"}, UsageError, "--menu-model {}/file"),
]
INPUTS = [
    ({"source_bucket": "{}/nowhere"}, BucketMissing, "folder {}/nowhere does not exist; create it or use another one"),
    ({"source_bucket": "{}/file"}, BucketMissing, "{}/file is a file; expected a folder"),
    ({"source_bucket": "{}/file/in"}, BucketMissing, "{}/file is a file, so folder {}/file/in cannot exist"),
    ({"manifest_bucket": "{}/file"}, TelecineError, "{}/file is a file; expected a folder"),
    ({"task_list": "{}/none.txt"}, UsageError, "--task-list {}/none.txt does not exist"),
    ({"task_list": "{}/folder"}, UsageError, "--task-list {}/folder does not exist"),
]


@pytest.mark.parametrize(("changes", "kind", "said"), [*INPUTS, *OUTPUTS, *CHECKS])
def test_run_refuses_a_wrong_parameter_before_it_extracts(
    place: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], kind: type[TelecineError], said: str
) -> None:
    def begun(*_: object) -> None:
        raise AssertionError("a stage began")

    monkeypatch.setattr("jobs.gamedata.steps.run.run_stages", begun)
    before = files(place)
    with pytest.raises(kind) as caught:
        run.run(settings_of(RunSettings, place, **changes), MemoryStageRun())
    assert said.replace("{}", str(place)) in caught.value.message
    assert len(caught.value.message.splitlines()) == 1
    assert files(place) == before


def test_run_names_every_wrong_parameter_at_once(place: Path) -> None:
    changes = {"source_bucket": "{}/file", "output_path": "{}/folder", "checks": ["{}/absent.py"]}
    with pytest.raises(BucketMissing) as caught:
        run.run(settings_of(RunSettings, place, **changes), MemoryStageRun())
    assert [line.split(" ")[0] for line in caught.value.message.splitlines()] == [
        f"{place}/file",
        "--output-path",
        "--checks",
    ]


@pytest.mark.parametrize(("stage", "changes"), [("manifest", INPUTS[0][0]), ("extraction", OUTPUTS[0][0])])
def test_run_ignores_the_parameters_of_a_stage_that_it_leaves_out(
    place: Path, monkeypatch: pytest.MonkeyPatch, stage: str, changes: dict[str, Any]
) -> None:
    class Begun(Exception):
        pass

    def begun(*_: object, **__: object) -> None:
        raise Begun

    monkeypatch.setattr("jobs.gamedata.steps.run.run_stages", begun)
    monkeypatch.setattr("shared.ledger.open_run", lambda *_, **__: nullcontext())
    settings = settings_of(RunSettings, place, **changes).model_copy(update={"stage": stage})
    with pytest.raises(Begun):
        run.run(settings, MemoryStageRun())


@pytest.mark.parametrize(("changes", "kind", "said"), INPUTS)
def test_extract_refuses_a_wrong_parameter_and_leaves_no_folder(
    place: Path, changes: dict[str, Any], kind: type[TelecineError], said: str
) -> None:
    changes = {"manifest_bucket": "{}/new"} | changes
    before = files(place)
    with pytest.raises(kind) as caught:
        extract.run(settings_of(ExtractSettings, place, **changes), MemoryStageRun())
    assert said.replace("{}", str(place)) in caught.value.message
    assert files(place) == before


def test_extract_names_every_wrong_parameter_at_once(place: Path) -> None:
    changes = {"source_bucket": "{}/file", "task_list": "{}/none.txt"}
    with pytest.raises(BucketMissing) as caught:
        extract.run(settings_of(ExtractSettings, place, **changes), MemoryStageRun())
    assert len(caught.value.message.splitlines()) == 2


@pytest.mark.parametrize(("changes", "kind", "said"), [*OUTPUTS, *CHECKS])
def test_manifest_refuses_a_wrong_parameter_before_it_reads(
    place: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], kind: type[TelecineError], said: str
) -> None:
    def read(*_: object, **__: object) -> None:
        raise AssertionError("the sessions were read")

    monkeypatch.setattr("jobs.gamedata.manifest.gather.gather", read)
    with pytest.raises(kind) as caught:
        manifest.run(settings_of(ManifestSettings, place, **changes), MemoryStageRun())
    assert said.replace("{}", str(place)) in caught.value.message


def test_a_file_as_manifest_bucket_is_not_an_empty_one(place: Path) -> None:
    for step, model in ((manifest, ManifestSettings), (verify, VerifySettings)):
        with pytest.raises(BucketMissing, match=f"{place}/file is a file; expected a folder"):
            step.run(settings_of(model, place, manifest_bucket="{}/file"), MemoryStageRun())


def test_an_output_in_a_store_that_does_not_answer_is_left_to_the_step(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Down:
        def stat(self, key: str) -> None:
            raise EndpointUnreachable("no connection")

    monkeypatch.setattr("shared.storage.access.open_store", lambda *_, **__: Down())
    from jobs.gamedata.steps._parameters import check_manifest

    check_manifest(settings_of(ManifestSettings, place, output_path="s3://bucket/m.parquet"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("{}/nowhere.parquet", "--manifest {}/nowhere.parquet does not exist; build it first"),
        ("{}/folder", "--manifest {}/folder is a folder; expected the manifest's file"),
        ("{}/dir/", "--manifest: '{}/dir/' is not the path of a file"),
    ],
)
def test_publish_refuses_a_wrong_manifest_before_it_needs_the_database(
    place: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    def used(*_: object, **__: object) -> None:
        raise AssertionError("the database was used")

    monkeypatch.setattr("shared.database.merge.merging", used)
    with pytest.raises(UsageError) as caught:
        publish.run(PublishSettings(manifest=name.format(place)), MemoryStageRun())
    assert said.replace("{}", str(place)) in caught.value.message


def test_publish_refuses_another_file_before_it_needs_the_database(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def used(*_: object, **__: object) -> None:
        raise AssertionError("the database was used")

    monkeypatch.setattr("shared.database.merge.merging", used)
    pq.write_table(pa.table({"s3_key": ["a.tar"]}), place / "other.parquet")
    with pytest.raises(DataError, match="it lacks video_id"):
        publish.run(PublishSettings(manifest=f"{place}/other.parquet"), MemoryStageRun())


def test_an_unwritable_folder_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(AccessDenied, match=f"{place}/out is not writable; grant access"):
        extract.run(settings_of(ExtractSettings, place), MemoryStageRun())


def test_a_source_that_cannot_be_listed_is_read_by_its_task_list(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.gamedata.steps import _parameters

    def denied(*_: object) -> str:
        raise AccessDenied("s3:ListBucket", bucket="s3://x", action="s3:ListBucket")

    monkeypatch.setattr(_parameters, "_bucket", denied)
    (place / "list").write_text("a.tar\n")
    _parameters.check_extract(settings_of(ExtractSettings, place, task_list="{}/list", manifest_bucket="{}/new"))
    with pytest.raises(AccessDenied):
        _parameters.check_extract(settings_of(ExtractSettings, place, manifest_bucket="{}/new"))


def test_the_launcher_refuses_a_device_that_its_workers_do_not_have() -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a cluster was asked for")

    settings = ExtractSettings(
        source_bucket="s3://a-bucket", manifest_bucket="s3://b-bucket", compute="cpu", device="cuda"
    )
    with pytest.raises(UsageError, match="whose workers have no GPU"):
        _launch.launch_with(settings, never)  # type: ignore[arg-type]


def test_a_device_that_this_machine_lacks_is_refused_before_anything_is_listed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(requested: str) -> str:
        raise ConfigurationError(f"--device {requested}: torch finds no CUDA device")

    monkeypatch.setattr(extract, "resolve_device", none)
    with pytest.raises(ConfigurationError, match="--device cuda"):
        extract.run(settings_of(ExtractSettings, place, manifest_bucket="{}/new", device="cuda"), MemoryStageRun())
    assert not (place / "new").exists()
