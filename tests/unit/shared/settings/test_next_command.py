"""A command in a message repeats the flags that were typed, so that it can be pasted into the same shell."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from jobs.gamedata.settings import ExtractSettings
from jobs.screenalytics.settings import IngestSettings, ReplaySettings, VerifySettings, next_step
from shared.settings.command import parse
from shared.settings.next_command import next_command
from shared.text import one_line


def typed(*argv: str) -> IngestSettings:
    return parse(IngestSettings, "telecine screenalytics ingest", "", argv)


def test_the_flags_of_the_place_are_repeated_as_typed() -> None:
    settings = typed("--bucket", "./my runs", "--prefix", "/", "--artifact-roots", "a/{run_id}/,b/{run_id}/")
    command = next_step(settings, "replay", "r1", "--accept-changed")
    assert command == (
        "telecine screenalytics replay r1 --accept-changed --bucket './my runs' --prefix /"
        " --artifact-roots 'a/{run_id}/,b/{run_id}/'"
    )
    again = parse(ReplaySettings, "", "", shlex.split(command)[3:])
    assert (again.run, again.accept_changed, again.bucket, again.prefix) == ("r1", True, settings.bucket, "")
    assert again.artifact_roots == settings.artifact_roots


def test_flags_that_the_next_command_lacks_and_those_of_one_run_are_not_repeated() -> None:
    settings = typed("--outbox-table", "a.b", "--dry-run", "--run-id", "r", "--log-level", "DEBUG", "--unverified")
    assert next_step(settings, "replay", "--all") == "telecine screenalytics replay --all --unverified"
    assert next_step(settings, "ingest") == "telecine screenalytics ingest --outbox-table a.b --unverified"
    quick = parse(VerifySettings, "", "", ["--quick", "--no-mark-deleted", "--no-unverified"])
    assert next_step(quick, "verify") == "telecine screenalytics verify --no-unverified"


def test_a_secret_is_named_by_its_variable() -> None:
    settings = typed("--database-url", "postgresql://u:hunter2@db/x", "--secret-access-key=hunter3")
    command = next_step(settings, "replay", "r1")
    assert "hunter" not in command
    assert '--database-url "$TELECINE_DATABASE_URL"' in command
    assert '--secret-access-key "$TELECINE_SCREENALYTICS_SECRET_ACCESS_KEY"' in command


def test_a_flag_of_the_next_command_itself_is_not_given_twice() -> None:
    settings = parse(ExtractSettings, "", "", ["--prefix", "a"])
    command = next_command("gamedata extract", "--prefix", "b", model=ExtractSettings, settings=settings)
    assert command == "telecine gamedata extract --prefix b"


def test_a_value_that_starts_with_a_dash_is_not_read_as_a_flag() -> None:
    command = next_step(typed("--prefix=-x y"), "ingest")
    assert command == "telecine screenalytics ingest '--prefix=-x y'"
    assert parse(IngestSettings, "", "", shlex.split(command)[3:]).prefix == "-x y"


@pytest.mark.parametrize("shape", ["{}", "--prefix={}"])
@pytest.mark.parametrize(
    "text",
    [
        "q'\nrm -rf ~\n'.csv",
        "a\tb\x1b[2Jc\x7f",
        "a\u202egpj.csv",
        "a\u3164b\u200dc",
        "back\\slash' \u2028$(id)`id`!x",
        "\x01f",
        "\u00fcber\n\U000e0041",
        "byte \udcff of a path",
    ],
    ids=["lines", "controls", "bidi", "invisible", "quotes", "hex digit", "letters", "byte"],
)
def test_words_that_are_not_printable_stay_on_one_line_and_reach_the_program(text: str, shape: str) -> None:
    word, settings = shape.format(text), typed().with_typed({"bucket": f"./{text}"})
    command = next_command("screenalytics replay", word, model=ReplaySettings, settings=settings)
    assert one_line(command) == command
    shell = command.replace("telecine screenalytics replay", "printf '%s\\0'", 1)
    done = subprocess.run(["bash", "-c", shell], capture_output=True, check=True)
    assert done.stdout == b"".join(
        each.encode("utf-8", "surrogateescape") + b"\0" for each in (word, "--bucket", f"./{text}")
    )


def test_a_value_that_looks_like_a_flag_is_a_value() -> None:
    settings = typed("--bucket", "s3://bucket")
    command = next_command("screenalytics replay", "--prefix", "--bucket", model=ReplaySettings, settings=settings)
    assert command == "telecine screenalytics replay --prefix=--bucket --bucket s3://bucket"
    command = next_command("screenalytics replay", "--bucket=-b", model=ReplaySettings, settings=settings)
    assert command == "telecine screenalytics replay --bucket=-b"
    command = next_command("screenalytics replay", "--all", "--bucket", "x", model=ReplaySettings, settings=settings)
    assert command == "telecine screenalytics replay --all --bucket x"


def test_variables_are_not_repeated(monkeypatch) -> None:
    monkeypatch.setenv("TELECINE_SCREENALYTICS_PREFIX", "p")
    settings = typed()
    assert settings.prefix == "p"
    assert next_step(settings, "ingest") == next_step(None, "ingest") == "telecine screenalytics ingest"


def test_a_copy_keeps_what_was_typed() -> None:
    settings = typed("--prefix", "a").model_copy(update={"grace_min": 0.0})
    assert next_step(settings, "ingest") == "telecine screenalytics ingest --prefix a"
