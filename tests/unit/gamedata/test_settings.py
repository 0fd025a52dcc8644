from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.settings import ExtractSettings, ManifestSettings, RunSettings


def test_strides_are_read_as_seconds_and_counts():
    settings = ExtractSettings(strides="0.5:4, 30:15")
    assert settings.strides == ((0.5, 4), (30.0, 15))
    assert settings.spec().strides == settings.strides


@pytest.mark.parametrize("text", ["", "3", "3:", "0:5", "3:0", "-3:5", "3:15,3:2", "a:b", "3:15;30:15"])
def test_wrong_strides_say_what_is_valid(text):
    with pytest.raises(ValidationError, match=r"SECONDS:COUNT|twice"):
        ExtractSettings(strides=text)


@given(st.dictionaries(st.integers(1, 600), st.integers(1, 50), min_size=1, max_size=5))
def test_written_strides_read_back(strides):
    text = ",".join(f"{stride}:{count}" for stride, count in strides.items())
    assert ExtractSettings(strides=text).strides == tuple((float(key), count) for key, count in strides.items())


def test_the_defaults_are_the_source_documents():
    assert ExtractSettings().spec() == SamplingSpec()
    assert SamplingSpec().strides == ((3.0, 15), (30.0, 15), (60.0, 5))
    assert ManifestSettings().output_path == "manifest.parquet"


def test_default_buckets_are_folders_without_s3_and_buckets_with_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ExtractSettings().source_bucket == f"file://{tmp_path}/game-data"
    assert ExtractSettings().manifest_bucket == f"file://{tmp_path}/game-data-manifest"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000")
    assert ExtractSettings().source_bucket == "s3://game-data"
    assert ManifestSettings().manifest_bucket == "s3://game-data-manifest"


def test_a_variable_sets_what_no_flag_sets(monkeypatch):
    monkeypatch.setenv("TELECINE_GAMEDATA_STRIDES", "5:2")
    assert ExtractSettings().strides == ((5.0, 2),)
    assert ExtractSettings(strides="7:1").strides == ((7.0, 1),)


@pytest.mark.parametrize(
    "change", [{"mode": "exact"}, {"max_height": 0}, {"frames": "packets"}, {"strides": ((3.0, 15),)}]
)
def test_another_spec_has_another_digest(change):
    assert SamplingSpec(**change).digest != SamplingSpec().digest


def test_run_takes_the_flags_of_both_stages():
    both = set(ExtractSettings.model_fields) | set(ManifestSettings.model_fields) | {"stage", "publish", "sprites"}
    assert set(RunSettings.model_fields) == both
