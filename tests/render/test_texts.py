"""Texts of the workflow templates are written for the form of a run in a cluster, not for the command line."""

from __future__ import annotations

import re

import pytest

from shared.settings import StepSettings, setting
from tests.render.rendered import TEMPLATES, by_name, spec_of, templates
from workflows._lib.parameters import fields

# The UI shows a description in a narrow column next to its field: more than three lines of it hide the next field.
LONGEST = 200
# What only a command line, its machine or its shell has.
_OF_THE_CLI = re.compile(
    r"""
    --[a-z] | -[a-z]\b(?=\ [A-Z]) | \bflags?\b | \bcommand[ -]line | \boptions?\b
    | \bthis\ (machine|host|computer|process|shell|terminal) | \blaptop | \bterminal\b | \bstd(in|out|err)\b
    | \bstandard\ (input|output|error) | \bprints?\b | \bpasted?\b | \bexits?\b
    | file:// | (?<![\w*])\.{1,2}/ | ~/ | \bcurrent\ (folder|directory)
    | \b(several|many)\ times | \brepeat(ed)?\ for | \bmay\ be\ (given|repeated)
    | \bTELECINE_ | \benvironment\ variable
    """,
    re.VERBOSE,
)


def texts(name):
    """Yield the place and text of every description of a template: of its form, entrypoints, steps and itself."""
    spec = spec_of(name)
    forms = [(name, spec.get("arguments", {}))]
    forms += [(f"{name}/{each['name']}", each.get("inputs", {})) for each in spec["templates"]]
    for place, form in forms:
        for parameter in form.get("parameters", []):
            if "description" in parameter:
                yield f"{place}: {parameter['name']}", parameter["description"]
    notes = {"": by_name()[name]["metadata"]}
    notes |= {each: template.get("metadata", {}) for each, template in templates(name).items()}
    for place, metadata in notes.items():
        for key, text in metadata.get("annotations", {}).items():
            if key.endswith("/description"):
                yield f"{name}/{place}", text


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_text_of_a_form_speaks_of_a_command_line(name):
    found = dict(texts(name))
    assert len(found) > 5
    wrong = {place: text for place, text in found.items() if _OF_THE_CLI.search(text)}
    assert wrong == {}
    assert {place: text for place, text in found.items() if len(text) > LONGEST or not text.endswith(".")} == {}


@pytest.mark.parametrize(
    "text",
    [
        "Write statistics only, as --no-store does.",
        "local starts it on this machine.",
        "Read this folder; the flag may be given several times.",
        "Exit with 65 if more fail, and exits cleanly.",
        "Read ./tars.",
        "A bucket: file:///data.",
        "Print the requests, so that it prints them.",
        "Set TELECINE_S3_REGION.",
        "Repeat it for several files; repeat for each.",
    ],
)
def test_texts_for_a_command_line_are_recognized(text):
    assert _OF_THE_CLI.search(text)


@pytest.mark.parametrize(
    "text", ["Keep what is there.", "A name or s3://bucket.", "Runs once for many files, not *./x"]
)
def test_other_texts_are_taken(text):
    assert not _OF_THE_CLI.search(text)


def test_every_list_says_how_to_separate():
    named = {
        "gamedata": {"strides", "checks"},
        "screenalytics": {"artifact-roots"},
        "viewership": {"files", "map"},
        "viewership-reprocess": {"upload", "platform"},
        "trakt": {"titles"},
    }
    for name, expected in named.items():
        form = {each["name"]: each["description"] for each in spec_of(name)["arguments"]["parameters"]}
        assert {each for each, text in form.items() if "comma-separated" in text} == expected


def test_a_list_a_scale_and_a_required_field_are_described():
    class Small(StepSettings, pipeline="gamedata"):
        """Fields of the kinds that a form needs more words for than the CLI does."""

        needed: int = setting(description="Take this number.")
        names: tuple[str, ...] = setting((), description="Take these names.", default_text="all")
        luma: float = setting(1.0, unit="of 255", description="Take this luma.")
        wait_s: float = setting(1.0, unit="s", description="Wait.")

    assert {field.name: field.description for field in fields(Small)} == {
        "needed": "Take this number. Required.",
        "names": "Take these names. Several values are comma-separated.",
        "luma": "Take this luma. Scale: 0 to 255.",
        "wait-s": "Wait. Unit: s.",
    }


def test_files_that_a_step_executes_are_paths_in_its_image():
    form = {each["name"]: each["description"] for each in spec_of("gamedata")["arguments"]["parameters"]}
    assert "not URIs" in form["checks"]
    assert "/opt/telecine/checks/" in form["checks"]
    assert "not a URI" in form["menu-references"]
    assert form["menu-model"].startswith("URI")
