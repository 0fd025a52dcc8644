"""The start of a stage, as the ledger keeps it for those who look at the run."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from pydantic import SecretStr  # noqa: TC002 - pydantic resolves the annotations of fields

from shared.ledger.origin import changed, origin
from shared.settings import StepSettings
from shared.settings.base import setting
from shared.settings.command import parse

if TYPE_CHECKING:
    import pytest

_HOSTILE = "a b'$(rm)\n;"


class ProbeSettings(StepSettings, pipeline="probe"):
    """Settings of a step that does not exist."""

    source: str = setting("a", description="Read this.")
    most: int = setting(5, description="Read this many.")
    names: tuple[str, ...] = setting((), description="Read these.")
    dry: bool = setting(False, description="Write nothing.")
    token: SecretStr | None = setting(None, description="Send this.", secret=True)
    files: tuple[str, ...] = setting((), description="Read these files.", argument=True)


def typed(*argv: str) -> ProbeSettings:
    return parse(ProbeSettings, "telecine probe it", "Probe.", argv)


def test_only_parameters_with_other_values_count_as_changed():
    assert changed(typed("--source", "a", "--most", "6", "--run-id", "r")) == ["most"]


def test_the_command_repeats_what_was_typed_and_what_variables_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TELECINE_PROBE_NAMES", "x,y")
    settings = typed("--source", _HOSTILE, "--dry", "--run-id", "r", "--log-level", "DEBUG")
    command = origin(settings, "r")["command"]
    assert command == "telecine probe it --source $'a b\\x27$(rm)\\x0a;' --names x,y --dry"
    assert "\n" not in command


def test_the_command_parses_to_the_same_settings_again():
    first = typed("--most", "7", "--names", "p", "--names", "q", "--", "-odd", "b c")
    words = shlex.split(origin(first, "r")["command"])[3:]
    assert typed(*words).parameters() == first.parameters()


def test_secrets_are_neither_in_the_command_nor_among_the_changes():
    found = origin(typed("--token", "s3cr3t-value-of-a-token", "--most", "9"), "r")
    assert "s3cr3t" not in str(found)
    assert found["changed"] == ["most"]


def test_a_command_that_contains_a_secret_is_not_kept():
    found = origin(typed("--source", "https://user:hunter2secret@host/x"), "r")
    assert found["command"] is None


def test_settings_of_code_have_no_command():
    assert origin(ProbeSettings(most=6), "r")["command"] is None


def test_a_report_of_a_laptop_is_an_absolute_uri(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert origin(typed(), "r-1")["report"] == f"file://{tmp_path}/.telecine/reports/r-1/report.html"
    assert origin(typed("--report-dir", "s3://bucket/x/"), "r-1")["report"] == "s3://bucket/x/report.html"


def test_a_pod_names_its_artifact_and_not_its_own_folder(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    variables = {"TELECINE_WORKFLOW": "gamedata-x", "TELECINE_NAMESPACE": "media", "TELECINE_NODE": "extract"}
    found = origin(typed("--report-dir", "/tmp/outputs/report"), "r", variables)
    assert found["artifact"] == "media/gamedata-x/extract/report.html"
    assert (found["namespace"], found["workflow"]) == ("media", "gamedata-x")
    assert "report" not in found
