"""Second runs after all kinds of changes to the results of the first."""

from __future__ import annotations

import os
import pickle
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.cli import sample_tar, sample_tars
from tests.forked_cli import ForkedCli
from tests.postgres_server import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["postgres"]

pytestmark = pytest.mark.slow

SOURCE = ("--source-bucket", "./tars")
PLACES = (*SOURCE, "--manifest-bucket", "./out")
GOOD = ("idle", "no-audio", "matroska", "vfr", "dark")
KINDS = {**{f"s/{kind}.tar": kind for kind in GOOD}, "s/bad.tar": "no-metadata"}


class Torch:
    """An object in a pickled ``.pt`` of the original that runs code when unpickled."""

    def __reduce__(self):
        return (print, ("unpickled",))


@pytest.fixture(scope="module")
def cli(postgres: str) -> Iterator[ForkedCli]:
    with ForkedCli.on(postgres, {"TELECINE_GAMEDATA_WORKERS": "1"}) as made:
        sample_tars(made.folder / "tars", KINDS)
        made.forks_worker = True
        made("gamedata", "run", *PLACES).expect(0)
        yield made


def extracted(cli, *flags, bucket="out"):
    """Run extract; return the keys of the .pt files it wrote, and its counts."""
    before = cli.etags(bucket)
    done = cli("gamedata", "extract", *SOURCE, "--manifest-bucket", f"./{bucket}", *flags).expect(0)
    counts = cli.report(done)["counts"]
    return {name for name, etag in cli.etags(bucket).items() if before.get(name) != etag}, counts


def without_time(rows):
    return {key: {**row, "processed_time": None} for key, row in rows.items()}


def test_one_bad_of_six_and_a_second_run_does_nothing(cli):
    cli("gamedata", "extract", *PLACES).expect(0)
    assert len(cli.etags("out")) == len(GOOD)
    cli("gamedata", "run", *PLACES, "--stage", "manifest").expect(0)
    rows, before = cli.manifest(), cli.etags("out")
    assert {key for key, row in rows.items() if row["error_code"]} == {"s/bad.tar"}

    done = cli("gamedata", "run", *PLACES, "--output-path", "again.parquet").expect(0)
    counts = cli.report(done)["counts"]
    assert (counts["extract.done_before"], counts["extract.failed_before"]) == (len(GOOD), 1)
    assert counts["extract.extracted"] == counts.get("extract.frames_decoded", 0) == 0
    assert cli.etags("out") == before
    assert without_time(cli.manifest("again.parquet")) == without_time(rows)

    (cli.folder / "again.parquet").unlink()
    flags = ("--stage", "extraction", "--max-failed", "0", "--output-path", "again.parquet")
    cli("gamedata", "run", *PLACES, *flags).expect(65)
    assert not (cli.folder / "again.parquet").exists()
    assert extracted(cli, "--max-failed", "1")[0] == set()


def test_deleted_replaced_and_damaged_files_are_named_and_redone(cli):
    cli("gamedata", "extract", *PLACES).expect(0)
    cli("gamedata", "verify", "--manifest-bucket", "./out").expect(0)
    out = cli.folder / "out/s"
    (out / "idle.pt").unlink()
    body = bytearray((out / "vfr.pt").read_bytes())
    body[len(body) // 2] ^= 1
    (out / "vfr.pt").write_bytes(body)
    (out / "dark.pt").write_bytes(pickle.dumps({"sampled_frames": np.zeros(3), "s3_key": Torch()}))

    done = cli("gamedata", "manifest", "--manifest-bucket", "./out", "--output-path", "hurt.parquet").expect(0)
    rows = cli.manifest("hurt.parquet")
    assert "s/idle.tar" not in rows
    assert rows["s/dark.tar"]["error_code"] == "pt_legacy"
    assert "unpickled" not in done.out + done.err

    dry = cli("gamedata", "verify", "--manifest-bucket", "./out", "--dry-run").expect(65)
    done = cli("gamedata", "verify", "--manifest-bucket", "./out").expect(65)
    for said in (dry, done):
        assert all(f"s/{kind}.tar" in said.err for kind in ("idle", "vfr", "dark"))
        assert "s/no-audio.tar" not in said.err
    assert cli.report(done)["rejects"].keys() >= {"pt_missing", "pt_changed"}
    assert "unpickled" not in done.out + done.err

    written, counts = extracted(cli)
    assert written == {"s/idle.pt", "s/vfr.pt", "s/dark.pt"}
    assert (counts["extracted"], counts["done_before"]) == (3, len(GOOD) - 3)
    cli("gamedata", "verify", "--manifest-bucket", "./out").expect(0)
    cli("gamedata", "manifest", "--manifest-bucket", "./out", "--output-path", "healed.parquet").expect(0)
    assert without_time(cli.manifest("healed.parquet")).keys() == KINDS.keys()


def test_a_part_whose_objects_are_gone_is_not_a_session(cli):
    kept = cli.folder / "kept"
    cli("gamedata", "extract", *PLACES).expect(0)
    (cli.folder / "out").rename(kept)
    try:
        (cli.folder / "out/_stats").mkdir(parents=True)
        for part in (kept / "_stats").iterdir():
            (cli.folder / "out/_stats" / part.name).write_bytes(part.read_bytes())
        # Parts whose .pt files are gone, and a part that is not Parquet.
        (cli.folder / "out/_stats/00000099-abcdefabcdef.parquet").write_bytes(b"PAR1 cut")
        cli("gamedata", "manifest", "--manifest-bucket", "./out", "--output-path", "bare.parquet").expect(0)
        assert set(cli.manifest("bare.parquet")) == {"s/bad.tar"}
    finally:
        shutil.rmtree(cli.folder / "out")
        kept.rename(cli.folder / "out")


def test_task_list_only_failed_and_a_repaired_tar(cli):
    # A separate bucket, because the row of the missing TAR stays in it; links keep ETags.
    cli("gamedata", "extract", *PLACES).expect(0)
    shutil.copytree(cli.folder / "out", cli.folder / "listed", copy_function=os.link)
    (cli.folder / "list.txt").write_text("\ufeff# sessions\n\n  s/bad.tar\r\ns/dark.tar\ns/away.tar\n")
    written, counts = extracted(cli, "--task-list", "list.txt", bucket="listed")
    assert (written, counts["done_before"], counts["failed_before"], counts["failed"]) == (set(), 1, 1, 1)
    cli("gamedata", "manifest", "--manifest-bucket", "./listed", "--output-path", "away.parquet").expect(0)
    assert cli.manifest("away.parquet")["s/away.tar"]["error_code"] == "tar_missing"

    try:
        (cli.folder / "tars/s/bad.tar").write_bytes(sample_tar("idle"))
        (cli.folder / "tars/s/new.tar").write_bytes(sample_tar("idle"))
        written, counts = extracted(cli, "--only-failed", "--no-skip-existing", bucket="listed")
        assert (written, counts["extracted"]) == ({"s/bad.pt"}, 1)
    finally:
        (cli.folder / "tars/s/new.tar").unlink()
    cli("gamedata", "manifest", "--manifest-bucket", "./listed", "--prefix", "s/bad", "--output-path", "mended.parquet")
    assert cli.manifest("mended.parquet")["s/bad.tar"]["error_code"] is None
    (cli.folder / "tars/s/bad.tar").write_bytes(sample_tar("no-metadata"))
