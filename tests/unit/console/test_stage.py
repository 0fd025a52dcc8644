"""Stages as the page of their run shows them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from jobs.console.tables.runs.ledger import STATUSES, like, status_is
from jobs.console.tables.runs.stage import argo_link, report_uri, started

RUN = SimpleNamespace(run_id="r/1", pipeline="gamedata")


def row(stage: str = "extract", **origin: Any) -> SimpleNamespace:
    parameters: dict[str, Any] = {"workers": 4, "prefix": None}
    return SimpleNamespace(stage=stage, parameters={**parameters, "_origin": origin} if origin else parameters)


def test_stages_of_one_command_are_shown_once_with_what_differs():
    how = {"changed": ["workers"], "command": "telecine gamedata run --workers 4"}
    (found,) = started([row("extract", **how), row("manifest", **how)])
    assert (found.stages, found.command) == (["extract", "manifest"], "telecine gamedata run --workers 4")
    assert (found.known, found.changed, found.others) == (True, [("workers", 4)], [("prefix", None)])


@pytest.mark.parametrize(
    "command", ["", "telecine x\nid", "telecine x\rid", "telecine \u202ex", "telecine\x1b[201~", "\u3000"]
)
def test_a_command_that_would_run_or_hide_something_when_pasted_is_not_shown(command: str):
    (found,) = started([row(command=command)])
    assert found.command is None


def test_a_stage_of_an_older_version_shows_all_parameters():
    (found,) = started([row()])
    assert (found.known, found.command, found.changed) == (False, None, [])
    assert found.others == [("prefix", None), ("workers", 4)]


@pytest.mark.parametrize("value", [None, 3, "workers", {"a": 1}, [1, None]])
def test_a_malformed_origin_is_data_not_an_error(value: Any):
    (found,) = started([row(changed=value, command=value, report=value)])
    assert found.changed == []
    assert report_uri(row(report=value, artifact=value), ["s3://reports"]) in (None, "s3://reports/workers")


@pytest.mark.parametrize(
    ("template", "link"),
    [
        ("https://argo/workflows/{namespace}/{workflow}", "https://argo/workflows/media/a%2Fb%22"),
        ("https://argo/{run_id}?p={pipeline}", "https://argo/r%2F1?p=gamedata"),
        ("javascript:alert('{workflow}')", None),
        ("//argo/{workflow}", None),
        (None, None),
    ],
)
def test_a_link_to_argo_is_http_and_its_values_are_quoted(template: str | None, link: str | None):
    assert argo_link(template, RUN, [row(), row(namespace="media", workflow='a/b"')]) == link


def test_a_run_of_a_laptop_has_no_link_to_argo():
    assert argo_link("https://argo/{run_id}", RUN, [row(changed=[])]) is None


@pytest.mark.parametrize(
    ("origin", "places", "uri"),
    [
        ({"report": "s3://reports/a/report.html"}, ["s3://reports"], "s3://reports/a/report.html"),
        ({"report": "s3://other/a/report.html"}, ["s3://reports"], None),
        ({"report": "s3://reports/x/../../other/report.html"}, ["s3://reports/x"], None),
        ({"report": "file:///etc/passwd"}, ["s3://reports"], None),
        ({"artifact": "ns/wf/extract/report.html"}, ["s3://rep/argo"], "s3://rep/argo/ns/wf/extract/report.html"),
        ({"artifact": "../secret"}, ["s3://rep/argo"], None),
        ({"report": "s3://reports/a/report.html"}, [], None),
        ({"report": "https://elsewhere/report.html"}, ["s3://reports"], None),
    ],
)
def test_only_reports_inside_the_configured_places_are_opened(origin: Any, places: list[str], uri: str | None):
    assert report_uri(row(**origin), places) == uri


def test_a_link_out_of_the_folder_of_reports_is_not_followed(tmp_path):
    (tmp_path / "secret.html").write_text("secret")
    reports = tmp_path / "reports"
    (reports / "r").mkdir(parents=True)
    (reports / "r" / "report.html").symlink_to(tmp_path / "secret.html")
    assert report_uri(row(report=f"file://{reports}/r/report.html"), [f"file://{reports}"]) is None


def test_prefixes_are_text_not_patterns():
    assert like(r"50%_a\b") == r"50\%\_a\\b%"


def test_the_filter_of_each_status_avoids_the_case_that_no_index_answers():
    assert all("CASE" not in status_is(status) for status in STATUSES)
