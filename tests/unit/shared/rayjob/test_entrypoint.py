"""The driver's command line holds values of the form; the shell that starts it evaluates none of them."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.gamedata.settings import ExtractSettings
from shared.rayjob.step import RayStep
from shared.settings.command import parse
from tests.fakes.kubernetes import FakeCluster


def words_of(entrypoint: str) -> list[str]:
    """Return the words that `sh -c` hands to the program, which is what Ray starts an entrypoint with."""
    script = f'telecine() {{ for word in "$@"; do printf "%s\\0" "$word"; done; }}; {entrypoint}'
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True, timeout=30)
    return done.stdout.decode().split("\0")[:-1]


@settings(max_examples=30, deadline=None)
@example("--all")
@example("$(id)`id`${HOME};id&|<>'\"\\\n{{=1+1}}")
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_value_arrives_as_it_was(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TELECINE_RAY_IMAGE", "ray:1")
        own = ExtractSettings(prefix=text, compute="cpu")
        step = RayStep(own, pipeline="gamedata", step="extract", compute="cpu", cluster=FakeCluster([]))
        program, *words = words_of(f"telecine {step._job('run-1').entrypoint}")
    assert program == "telecine"
    assert words[:2] == ["gamedata", "extract"]
    assert parse(ExtractSettings, "telecine gamedata extract", "", words[2:]).prefix == text
