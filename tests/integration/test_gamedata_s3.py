"""The commands against an S3 server."""

from __future__ import annotations

import io

import pyarrow.parquet as pq
import pytest

from jobs.gamedata.pt.file import loads
from tests.cli import sample_tar
from tests.forked_cli import ForkedCli
from tests.postgres_server import postgres
from tests.s3_server import s3_process, s3_server

__all__ = ["postgres", "s3_process", "s3_server"]

pytestmark = pytest.mark.slow


def test_extract_and_manifest_over_s3(postgres, s3_server):
    s3_server.create_bucket("game-data")
    s3_server.create_bucket("game-data-manifest")
    s3_server.create_bucket("published")
    kinds = {"a/b/one.tar": "idle", "a/two.tar": "gameplay-60fps", "bad.tar": "truncated"}
    s3_server.fill("game-data", {key: sample_tar(kind) for key, kind in kinds.items()})
    s3_server.fill("published", {"list.txt": b"# all\na/b/one.tar\n\na/two.tar\nbad.tar\nnone.tar\n"})
    with ForkedCli.on(postgres, s3_server.env) as cli:
        flags = ("--task-list", "s3://published/list.txt", "--output-path", "s3://published/m/manifest.parquet")
        env = {"TELECINE_GAMEDATA_SAMPLING": "keyframe"}
        done = cli("gamedata", "run", *flags, env=env).expect(0)
        assert cli.report(done)["rejects"] == {"tar_truncated": 1, "tar_missing": 1}
        listed = s3_server.client.list_objects_v2(Bucket="game-data-manifest")["Contents"]
        etags = {each["Key"]: each["ETag"] for each in listed}
        assert {key for key in etags if key.endswith(".pt")} == {"a/b/one.pt", "a/two.pt"}
        body = s3_server.client.get_object(Bucket="published", Key="m/manifest.parquet")["Body"].read()
        rows = {row["s3_key"]: row for row in pq.read_table(io.BytesIO(body)).to_pylist()}
        assert {key: row["error_code"] for key, row in rows.items()} == {
            "a/b/one.tar": None,
            "a/two.tar": None,
            "bad.tar": "tar_truncated",
            "none.tar": "tar_missing",
        }
        assert rows["a/two.tar"]["is_video_mostly_dark"] is False
        # Keyframes lie at 0, 4 and 8 s: the points at 3 and 6 s share one.
        data = loads(s3_server.client.get_object(Bucket="game-data-manifest", Key="a/two.pt")["Body"].read())
        assert data.sampled_times_s["stride-3_chw"] == pytest.approx([4, 4, 8], abs=0.02)

        # A second run with full URIs decodes nothing and changes no object.
        again = cli(
            *("gamedata", "extract", "--source-bucket", "s3://game-data", "--manifest-bucket", "game-data-manifest"),
            "--prefix",
            "a/",
            env=env,
        ).expect(0)
        assert cli.report(again)["counts"]["done_before"] == 2
        listed = s3_server.client.list_objects_v2(Bucket="game-data-manifest")["Contents"]
        assert {each["Key"]: each["ETag"] for each in listed} == etags
        cli("gamedata", "verify").expect(0)

        gone = cli("gamedata", "extract", "--source-bucket", "no-such-bucket").expect(78)
        assert "no-such-bucket" in gone.err
        # No process listens on this port, which may be a temporary failure.
        away = {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1", "TELECINE_S3_ATTEMPTS": "1"}
        assert "127.0.0.1:1" in cli("gamedata", "verify", env=away).expect(75).err
