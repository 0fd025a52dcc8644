from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.screenalytics.errors import Rejected
from jobs.screenalytics.keys import RUN_ID as RUN_ID_PATTERN
from jobs.screenalytics.keys import ArtifactFolders, check_prefix, check_root, manifest_key, run_of
from jobs.screenalytics.settings import IngestSettings
from tests.fakes.store import MemoryStore
from tests.screenalytics_runs import EP_ID, RUN_ID, make_run, rejected

ROOTS = IngestSettings().artifact_roots
RUN_IDS = st.from_regex(re.compile(RUN_ID_PATTERN), fullmatch=True)
PREFIXES = st.lists(st.from_regex(r"[a-z0-9_.-]{1,8}", fullmatch=True).filter(lambda x: x.strip(".")), max_size=3)


def places(
    *, run_id: str = RUN_ID, ep_id: str = EP_ID, prefix: str = "derived", source: str = "s3://memory"
) -> ArtifactFolders:
    return ArtifactFolders.of(ROOTS, prefix=prefix, run_id=run_id, ep_id=ep_id, source=source)


def refused(s3_key: str, **more: str) -> Rejected:
    with pytest.raises(Rejected) as caught:
        places(**more).key(s3_key)
    return caught.value


@pytest.mark.parametrize(
    "s3_key",
    [
        f"derived/runs/{RUN_ID}/analytics/screentime.json",
        f"runs/rhoslc/s06/e11/{RUN_ID}/analytics/screentime.json",
        f"derived/runs/{RUN_ID}/a b/…/100%.json",
        f"derived/runs/{RUN_ID}/a.json?version=2",
    ],
)
def test_keys_below_the_runs_folders_are_taken_as_they_stand(s3_key: str) -> None:
    assert places().key(s3_key) == s3_key
    assert places().key(f"s3://memory/{s3_key}") == s3_key


@pytest.mark.parametrize(
    ("s3_key", "code"),
    [
        pytest.param(f"derived/runs/{RUN_ID}/../other/a.json", "KEY_ESCAPE", id="case 43: .."),
        pytest.param(f"derived/runs/{RUN_ID}/./a.json", "KEY_ESCAPE", id="case 43: ."),
        pytest.param(f"derived/runs/{RUN_ID}/..", "KEY_ESCAPE", id="case 43: .. at the end"),
        pytest.param(f"derived/runs/{RUN_ID}/%2e%2e/a.json", "KEY_ESCAPE", id="case 43: %2e%2e"),
        pytest.param(f"derived/runs/{RUN_ID}/%252E/a.json", "KEY_ESCAPE", id="case 43: %252E"),
        pytest.param(f"derived/runs/{RUN_ID}//a.json", "KEY_ESCAPE", id="case 43: //"),
        pytest.param(f"//derived/runs/{RUN_ID}/a.json", "KEY_ESCAPE", id="case 43: // at the beginning"),
        pytest.param(f"/derived/runs/{RUN_ID}/a.json", "KEY_ESCAPE", id="case 43: a leading slash"),
        pytest.param(f"derived/runs/{RUN_ID}\\..\\a.json", "KEY_ESCAPE", id="case 43: a backslash"),
        pytest.param(f"derived/runs/{RUN_ID}/a\0.json", "KEY_ESCAPE", id="case 43: NUL"),
        pytest.param(f"derived/runs/{RUN_ID}/", "KEY_ESCAPE", id="case 43: the folder itself"),
        pytest.param(f"derived/runs/{RUN_ID}", "KEY_ESCAPE", id="case 43: the folder without its slash"),
        pytest.param(f"derived/runs/{RUN_ID}/" + "é" * 512, "KEY_ESCAPE", id="case 43: too long"),
        pytest.param("derived/passwords.json", "KEY_ESCAPE", id="case 43: next to the runs"),
        pytest.param(f"s3://memory/derived/runs/{RUN_ID}/../a.json", "KEY_ESCAPE", id="case 43: .. in a URI"),
        pytest.param(f"s3://other-bucket/derived/runs/{RUN_ID}/a.json", "FOREIGN_LOCATION", id="case 44: other bucket"),
        pytest.param(f"s3://memory2/derived/runs/{RUN_ID}/a.json", "FOREIGN_LOCATION", id="case 44: a longer name"),
        pytest.param("http://169.254.169.254/latest/meta-data/", "FOREIGN_LOCATION", id="case 44: metadata service"),
        pytest.param("file:///etc/passwd", "FOREIGN_LOCATION", id="case 44: file"),
        pytest.param(
            "https://memory.s3.amazonaws.com/a?X-Amz-Signature=0f", "FOREIGN_LOCATION", id="case 44: presigned"
        ),
        pytest.param("data:application/json,[]", "FOREIGN_LOCATION", id="case 44: data"),
        pytest.param(f"derived/runs/{RUN_ID}x/a.json", "CROSS_RUN_REF", id="case 45: a longer run id"),
        pytest.param(f"derived/runs/{RUN_ID[:-1]}/a.json", "CROSS_RUN_REF", id="case 45: a shorter run id"),
        pytest.param("derived/runs/run-2/analytics/screentime.json", "CROSS_RUN_REF", id="case 46: derived"),
        pytest.param("runs/rhoslc/s06/e11/run-2/screentime.json", "CROSS_RUN_REF", id="case 46: canonical"),
        pytest.param(f"runs/rhoslc/s06/e12/{RUN_ID}/screentime.json", "CROSS_RUN_REF", id="case 46: another episode"),
        pytest.param("/srv/data/analytics/screentime.json", "NOT_AN_OBJECT_KEY", id="case 47"),
        pytest.param("C:\\data\\screentime.json", "NOT_AN_OBJECT_KEY", id="case 47: Windows"),
    ],
)
def test_cases_43_to_47_other_places_are_refused_without_a_request(s3_key: str, code: str) -> None:
    assert refused(s3_key).code == code
    files = make_run(artifact={"s3_key": s3_key})
    if "\0" in s3_key:
        code = "FIELD_INVALID"  # the contract's own limits come first
    store = MemoryStore(files)
    error = rejected(store)
    assert error.code == code
    assert error.data["json_pointer"] == "/artifacts/0/s3_key"
    assert {key for _, key in store.calls} == {manifest_key("derived", RUN_ID)}


def test_a_presigned_urls_signature_is_not_repeated() -> None:
    error = refused("https://user:pass@memory.s3.amazonaws.com/a?X-Amz-Signature=0f0f")
    assert "0f0f" not in error.message
    assert "pass" not in error.message
    assert "0f0f" not in str(error.data)


def test_a_dot_in_the_prefix_is_a_dot() -> None:
    assert refused("v1.2/runs/run-2/a.json", prefix="v1.2").code == "CROSS_RUN_REF"
    assert refused("v1x2/runs/run-2/a.json", prefix="v1.2").code == "KEY_ESCAPE"


def test_an_episode_without_a_show_has_no_folder_by_show() -> None:
    assert places(ep_id="pilot").folders == (f"derived/runs/{RUN_ID}/", f"runs/pilot/{RUN_ID}/")
    assert refused(f"runs/pilot/s06/e11/{RUN_ID}/a.json", ep_id="pilot").code == "CROSS_RUN_REF"


OWN = [
    ("demo-s1e2", "runs/demo/s01/e02"),
    ("demo-s1e2", "runs/demo/s1/e2"),
    ("demo-s1e2", "runs/Demo/s001/e2"),
    ("DEMO-S01E02", "runs/DEMO/s01/e02"),
    ("DEMO-S01E02", "runs/demo/s1/e2"),
    ("demo-s01e02", "runs/demo-s1e2"),
    ("demo-s1e2", "runs/DEMO-S01E02"),
    ("demo-s0e0", "runs/demo/s00/e00"),
    ("demo-s100e1000", "runs/demo/s100/e1000"),
    ("a.b+c-s1e2", "runs/a.b+c/s01/e02"),
    ("pilot", "runs/pilot"),
    ("Pilot", "runs/pilot"),
]


@pytest.mark.parametrize(("ep_id", "folder"), OWN)
def test_a_run_s_own_folder_is_its_own_in_any_case_and_with_any_zeros(ep_id: str, folder: str) -> None:
    key = f"{folder}/{RUN_ID}/analytics/screentime.json"
    assert places(ep_id=ep_id).key(key) == key


@pytest.mark.parametrize(
    ("ep_id", "key", "other"),
    [
        ("demo-s1e2", f"runs/demo/s01/e03/{RUN_ID}/a.json", "episode"),
        ("demo-s1e2", f"runs/demo/s10/e02/{RUN_ID}/a.json", "episode"),
        ("demo-s1e2", f"runs/demo2/s01/e02/{RUN_ID}/a.json", "episode"),
        ("demo-s1e2", f"runs/demo-s1e20/{RUN_ID}/a.json", "episode"),
        ("a.b-s1e2", f"runs/axb/s01/e02/{RUN_ID}/a.json", "episode"),
        ("pilot", f"runs/pilot2/{RUN_ID}/a.json", "episode"),
        ("demo-s1e2", f"runs/demo/s01/e02/{RUN_ID.lower()}/a.json", "run"),
        ("demo-s1e2", "runs/demo/s01/e02/run-2/a.json", "run"),
        ("demo-s1e2", f"runs/demo/s01/e02/{RUN_ID}x/a.json", "run"),
        ("demo-s1e2", "derived/runs/run-2/a.json", "run"),
    ],
)
def test_a_folder_of_another_run_or_episode_is_named_as_what_it_is(ep_id: str, key: str, other: str) -> None:
    error = refused(key, ep_id=ep_id)
    assert error.code == "CROSS_RUN_REF"
    assert f"is in the folder of another {other}; expected a key below derived/runs/{RUN_ID}/ or runs/" in error.message


def test_a_show_with_hyphens() -> None:
    assert f"runs/the-a-s1e2/s03/e04/{RUN_ID}/" in places(ep_id="the-a-s1e2-s03e04").folders


def test_a_store_that_is_a_folder_of_a_bucket() -> None:
    key = f"derived/runs/{RUN_ID}/a.json"
    assert places(source="s3://memory/x").key(f"s3://memory/x/{key}") == key
    assert refused(f"s3://memory/{key}", source="s3://memory/x").code == "FOREIGN_LOCATION"
    assert refused(f"file:///data/{key}", source="file:///data").code == "FOREIGN_LOCATION"


@given(key=st.text(max_size=40) | st.text("./%\\2eruns:derivdA-_", max_size=60), run_id=RUN_IDS)
def test_whatever_a_key_is_it_stays_below_the_runs_folders(key: str, run_id: str) -> None:
    own = places(run_id=run_id)
    for candidate in (key, f"derived/runs/{run_id}/{key}"):
        try:
            found = own.key(candidate)
        except Rejected as error:
            assert error.code in {"KEY_ESCAPE", "FOREIGN_LOCATION", "CROSS_RUN_REF", "NOT_AN_OBJECT_KEY"}  # noqa: PT017
        else:
            assert found.startswith(own.folders)
            assert not {"", ".", ".."} & set(found.split("/"))


@given(run_id=RUN_IDS, parts=PREFIXES)
def test_a_manifests_key_and_its_run_are_one(run_id: str, parts: list[str]) -> None:
    prefix = "/".join(parts)
    key = manifest_key(prefix, run_id)
    assert run_of(key, prefix) == run_id
    assert run_of(f"x{key}", prefix) is None
    assert run_of(key, f"{prefix}x") is None


@pytest.mark.parametrize(
    "key",
    [
        "derived/runs/manifest.json",
        "derived/runs//manifest.json",
        "derived/runs/a/b/manifest.json",
        "derived/runs/a/manifest.json/x",
        "derived/runs/a/manifest.json.gz",
        "derived/runs/a/x-manifest.json",
        "derived/runs/-a/manifest.json",
        "derived/runs/a b/manifest.json",
        "derived/runs/../manifest.json",
        "derived/runs/a\n/manifest.json",
        f"derived/runs/{'a' * 129}/manifest.json",
        "derived/run/a/manifest.json",
        "other/runs/a/manifest.json",
    ],
)
def test_other_keys_are_no_manifest(key: str) -> None:
    assert run_of(key, "derived") is None


@pytest.mark.parametrize("root", ["{prefix}/runs/{run_id}", "runs/{ep_id}/{run_id}/x/", "{run_id}/"])
def test_valid_roots_end_with_one_slash(root: str) -> None:
    assert check_root(root) == root.rstrip("/") + "/"


@pytest.mark.parametrize(
    "root",
    [
        *("", "/", "runs/", "/runs/{run_id}/", "runs//{run_id}/", "../{run_id}/", "runs/x{run_id}/", "a\\{run_id}/"),
        *("{run}/", "{run_id!r}/", "{run_id:>9}/", "{run_id", "{}/{run_id}/", "{run_id}//", "{run_id.x}/"),
    ],
)
def test_other_roots_are_refused(root: str) -> None:
    with pytest.raises(ValueError, match=r"run_id|expected no empty part"):
        check_root(root)


@pytest.mark.parametrize("prefix", ["derived", "/derived/", "a/b", "/", ""])
def test_a_prefix_is_a_folder(prefix: str) -> None:
    assert check_prefix(prefix) == prefix.strip("/")


@pytest.mark.parametrize("prefix", ["a//b", "a/../b", ".", "a\\b", "a%2eb", "a\tb"])
def test_a_prefix_below_which_every_key_would_be_refused_is_refused_itself(prefix: str) -> None:
    with pytest.raises(ValueError, match="expected a folder of keys"):
        check_prefix(prefix)
