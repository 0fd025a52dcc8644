"""A bad line of a task list is one error row; what cannot be a row is counted and named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobs.gamedata.extraction.passed_over import PassedOver, reason_of
from jobs.gamedata.extraction.task_list import read_task_list
from jobs.gamedata.extraction.worklist import make_worklist
from jobs.gamedata.parts.store import list_parts, read_parts
from jobs.gamedata.settings import ExtractSettings, PlanSettings
from jobs.gamedata.steps import extract, plan
from shared import secrets
from shared.errors import AccessDenied, ConfigurationError
from shared.report.page import render
from shared.storage import open_store
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.pool import InlinePool
from tests.fakes.sessions import extract_fake
from tests.fakes.store import MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

    from shared.report import Report

LONG = "x" * 1100 + ".tar"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    source = open_store(f"file://{tmp_path}/in", create=True)
    for name in ("a.tar", "b.tar", "c.tar", "d/e.tar"):
        source.put(name, f"body of {name}".encode())
    return tmp_path


def run(place: Path, lines: str | bytes, **flags: object) -> tuple[Report, dict[str, str | None], MemoryStageRun]:
    (place / "list").write_bytes(lines if isinstance(lines, bytes) else lines.encode())
    settings = ExtractSettings(
        source_bucket=f"{place}/in", manifest_bucket=f"{place}/out", task_list=str(place / "list"), workers=1, **flags
    )
    stage = MemoryStageRun()
    report = extract.run_with(
        settings,
        stage,
        make_extract=lambda _: lambda _device: extract_fake(),
        make_pool=lambda make, workers: InlinePool(make, workers, ()),
    )
    rows = read_parts(open_store(f"{place}/out")).to_pylist()
    return report, {row["s3_key"]: row["error_code"] for row in rows}, stage


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("./c.tar", "key_invalid"), ("..", "key_invalid"), (".", "key_invalid"), ("../in/c.tar", "key_invalid"),
        ("d/../c.tar", "key_invalid"), ("/c.tar", "key_invalid"), ("d//e.tar", "key_invalid"), ("d/", "key_invalid"),
        ("s3://other/c.tar", "key_invalid"), ("https://host/c.tar", "key_invalid"), ("file:///x.tar", "key_invalid"),
        ("n" * 300 + ".tar", "key_invalid"), ("a\x1b[31m.tar", "tar_missing"), ("a\tb.tar", "tar_missing"),
        ("a\x85b.tar", "tar_missing"), ("a\u2028b.tar", "tar_missing"), ("ghost.tar", "tar_missing"),
        ("d", "tar_missing"), ("a.tar/x.tar", "tar_missing"),
    ],
)  # fmt: skip
def test_a_bad_line_is_an_error_row_and_the_others_are_read(place: Path, line: str, code: str) -> None:
    report, rows, stage = run(place, f"a.tar\n{line}\nb.tar\n")
    assert rows == {"a.tar": None, line: code, "b.tar": None}
    assert (report.exit_code, report.counts["extracted"], report.counts["failed"]) == (0, 2, 1)
    assert [failure.code for failure in stage.errors] == [code]
    parts = len(list_parts(open_store(f"{place}/out")))
    again, rows, _ = run(place, f"a.tar\n{line}\nb.tar\n")
    assert (again.counts["done_before"], again.counts["failed_before"]) == (2, 1)
    assert len(list_parts(open_store(f"{place}/out"))) == parts


def test_a_line_that_is_too_long_is_a_row_that_fits_an_index(place: Path) -> None:
    _, rows, _ = run(place, f"a.tar\n{LONG}\n{LONG}x\n")
    assert rows.pop("a.tar") is None
    assert set(rows.values()) == {"key_invalid"}
    assert len(rows) == 2
    assert all(key.startswith("xxx") and len(key.encode()) <= 1024 for key in rows)


def test_a_line_with_a_secret_of_this_process_leaves_none_of_it(place: Path) -> None:
    secrets.remember("correct-horse-battery-staple")
    lines = ["TELECINE_DATABASE_URL=correct-horse-battery-staple", "correct-horse-battery-staple/a.tar"]
    report, rows, stage = run(place, "\n".join(["a.tar", *lines]))
    assert rows.pop("a.tar") is None
    assert list(rows.values()) == ["key_invalid"] * 2
    assert "correct" not in f"{rows} {report.failures} {[failure.message for failure in stage.errors]}"
    assert all("***" in key for key in rows)


def test_a_line_that_is_not_utf_8_is_an_error_row(place: Path) -> None:
    report, rows, _ = run(place, "a.tar\nZürich.tar\n".encode() + "Zürich-2.tar\n".encode("latin-1"))
    assert rows == {"a.tar": None, "Zürich.tar": "tar_missing", "Z\\xfcrich-2.tar": "key_invalid"}
    assert report.rejects == {"key_invalid": 1, "tar_missing": 1}


def test_the_first_of_two_keys_with_one_pt_file_is_read(place: Path) -> None:
    _, rows, stage = run(place, "a.tar\na\n")
    assert rows == {"a.tar": None, "a": "key_invalid"}
    assert "would both be stored as 'a.pt'" in stage.errors[0].message


def test_a_link_out_of_the_source_is_an_error_row(place: Path) -> None:
    (place / "secret.tar").write_bytes(b"secret")
    (place / "in/link.tar").symlink_to(place / "secret.tar")
    assert run(place, "link.tar\na.tar\n")[1] == {"link.tar": "key_invalid", "a.tar": None}


def test_repeated_lines_and_those_outside_the_prefix_are_counted_and_named(place: Path) -> None:
    report, rows, _ = run(place, f"d/e.tar\n  d/e.tar\n{place}\nfile://{place}/in/d/e.tar\nb.tar\n", prefix="d/")
    assert rows == {"d/e.tar": None}
    assert report.counts["passed_over"] == 4
    table = next(section for section in report.sections if section.title == "Passed over")
    assert [list(row) for row in table.rows] == [
        ["repeated line of the task list", 2, "'d/e.tar', 'd/e.tar'"],
        ["outside --prefix", 2, f"'{place}', 'b.tar'"],
    ]


def test_a_list_without_keys_is_not_mistaken_for_an_empty_source(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    report, rows, _ = run(place, "# nothing\n\n")
    assert (rows, report.exit_code) == ({}, 0)
    assert f"--task-list {place}/list names no TAR" in caplog.text


def test_plan_names_the_lines_and_the_files(place: Path) -> None:
    (place / "list").write_text("a.tar\n../x.tar\nghost.tar\n")
    known = {"source_bucket": f"{place}/in", "manifest_bucket": f"{place}/out", "output_path": f"{place}/m.parquet"}
    report = plan.run(PlanSettings(**known, task_list=str(place / "list")), MemoryStageRun())
    counts = {name: report.counts[name] for name in ("to_read", "missing", "invalid_keys")}
    assert counts == {"to_read": 1, "missing": 1, "invalid_keys": 1}
    assert report.headline == "3 TARs: 1 to read, 1 not in the bucket, 1 invalid"
    page = render(report)
    for words in ("../x.tar", "key_invalid", "ghost.tar", "tar_missing"):
        assert words in page


class Refusing(MemoryStore):
    """A store that answers 400 to keys that it does not accept."""

    def __init__(self, error: Exception, *keys: str) -> None:
        super().__init__({"a.tar": b"a"}, uri="s3://source")
        self.error, self.keys = error, keys

    def stat(self, key: str):
        if key in self.keys:
            raise self.error
        return super().stat(key)


def worklist(tmp_path: Path, source: MemoryStore):
    (tmp_path / "list").write_text("a.tar\nodd|key.tar\n")
    settings = ExtractSettings(source_bucket="s3://source", task_list=str(tmp_path / "list"))
    return make_worklist(settings, source, MemoryStore())


def test_a_key_that_the_store_does_not_accept_is_an_error_row(tmp_path: Path) -> None:
    refused = ConfigurationError("s3 rejects s3:GetObject of s3://source/odd|key.tar (400 400)")
    found = worklist(tmp_path, Refusing(refused, "odd|key.tar"))
    assert [item.key for item in found.items] == ["a.tar"]
    assert [(item.key, error.code) for item, error in found.missing] == [("odd|key.tar", "key_invalid")]


@pytest.mark.parametrize(
    ("error", "keys"),
    [
        (ConfigurationError("400 for every key"), ("a.tar", "odd|key.tar")),
        (AccessDenied("403", action="s3:GetObject"), ("odd|key.tar",)),
    ],
)
def test_a_store_that_refuses_access_still_ends_the_run(
    tmp_path: Path, error: Exception, keys: tuple[str, ...]
) -> None:
    with pytest.raises(type(error)):
        worklist(tmp_path, Refusing(error, *keys))


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("a.tar", None), ("d/B.TAR", None), ("._v.tar", None), ("a.tar.gz", "packed (unpack to .tar)"),
        ("a.TGZ", "packed (unpack to .tar)"), ("a.tar.zst", "packed (unpack to .tar)"),
        ("a.zip", "packed (unpack to .tar)"), ("readme.txt", "not a TAR"), ("d/", "folder marker"),
        (".DS_Store", "hidden file"), ("d/.a.tar.part", "hidden file"), ("tar", "not a TAR"),
    ],
)  # fmt: skip
def test_files_are_passed_over_for_a_reason(key: str, reason: str | None) -> None:
    assert reason_of(key) == reason


def test_the_first_names_are_kept_and_all_are_counted() -> None:
    passed_over = PassedOver()
    for number in range(1000):
        passed_over.add("not a TAR", f"{number}.txt")
    passed_over.add("other", "\x1b[31m\udc80")
    assert len(passed_over) == 1001
    assert (
        str(passed_over)
        == "1,000 not a TAR ('0.txt', '1.txt', '2.txt', '3.txt', '4.txt', …); 1 other ('\\x1b[31m\\udc80')"
    )


def test_files_of_the_source_that_are_not_read_are_counted_and_named(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = open_store(f"file://{place}/in")
    # The last five are telecine's own: the results are in a folder of the source.
    for name in (
        *("notes.txt", "x.tar.gz", "d/.hidden", "empty.txt"),
        *("sample.json", "out/a.pt", "out/_stats/1.parquet", "out/_checks/x/1.parquet", "out/_sprites/x.webp"),
    ):
        source.put(name, b"")
    settings = ExtractSettings(source_bucket=f"{place}/in", manifest_bucket=f"{place}/in/out", workers=1)
    report = extract.run_with(
        settings,
        MemoryStageRun(),
        make_extract=lambda _: lambda _device: extract_fake(),
        make_pool=lambda make, workers: InlinePool(make, workers, ()),
    )
    assert (report.counts["extracted"], report.counts["passed_over"]) == (4, 4)
    table = next(section for section in report.sections if section.title == "Passed over")
    assert [list(row) for row in table.rows] == [
        ["hidden file", 1, "'d/.hidden'"],
        ["not a TAR", 2, "'empty.txt', 'notes.txt'"],
        ["packed (unpack to .tar)", 1, "'x.tar.gz'"],
    ]
    assert "packed (unpack to .tar) ('x.tar.gz')" in caplog.text


def test_two_tars_never_share_one_pt_file(tmp_path: Path) -> None:
    source = open_store(f"file://{tmp_path}/in", create=True)
    for name in ("a.TAR", "a.TAR.tar", "b.TAR", "c.tar"):
        source.put(name, f"body of {name}".encode())
    settings = ExtractSettings(source_bucket=f"{tmp_path}/in", manifest_bucket=f"{tmp_path}/out")
    found = make_worklist(settings, source, open_store(f"file://{tmp_path}/out", create=True))
    assert [item.key for item in found.items] == ["a.TAR.tar", "b.TAR", "c.tar"]
    assert [(item.key, error.code) for item, error in found.missing] == [("a.TAR", "key_invalid")]


def test_a_source_without_tars_names_what_it_has_instead(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    open_store(f"file://{tmp_path}/in", create=True).put("a.tgz", b"x")
    settings = ExtractSettings(source_bucket=f"{tmp_path}/in", manifest_bucket=f"{tmp_path}/out", workers=1)
    extract.run(settings, MemoryStageRun())
    assert f"file://{tmp_path}/in contains no TAR; passed over: 1 packed (unpack to .tar) ('a.tgz')" in caplog.text


def test_lines_are_split_only_at_line_ends(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes("\ufeff a.tar \r\nb\x0cc.tar\rd\x1ee.tar\n\n# x\nf\u2029g.tar".encode())
    settings = ExtractSettings(task_list=str(tmp_path / "list"))
    assert read_task_list(settings, "s3://x").keys == ["a.tar", "b\x0cc.tar", "d\x1ee.tar", "f\u2029g.tar"]
