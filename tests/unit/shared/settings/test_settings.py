from __future__ import annotations

import os
from typing import Annotated, Literal
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, SecretStr, ValidationError

from jobs.screenalytics.settings import IngestSettings
from jobs.viewership.settings.uploads import RetractSettings, ValidateSettings
from shared.errors import UsageError
from shared.rayjob.settings import RaySettings
from shared.settings import Settings, StepSettings, setting
from shared.settings.base import Group, join_list, split_list, unknown_variables
from shared.settings.command import parse
from shared.settings.flags import arguments, flags, shell_default, table

FIRST = Group("First", 10)
SECOND = Group("Second", 20)
COMMON = Group("Common", 1)


class Shared(Settings):
    level: Literal["LOW", "HIGH"] = setting("LOW", description="How loud.", group=COMMON)
    token: SecretStr | None = setting(
        None, description="A secret.", aliases=("OTHER_TOKEN", "THIRD_TOKEN"), group=COMMON
    )


class Mine(Shared, pipeline="mine"):
    names: tuple[str, ...] = setting((), description="Names.")
    size_mb: Annotated[int, Field(ge=1)] | None = setting(None, description="Size.", unit="MB", default_text="all")
    keep: bool = setting(True, description="Keep | drop.")
    place: str = setting(default_factory=lambda: "made", default_text="somewhere", description="Where.")
    inner: int = setting(3, description="Only for tests.", hidden=True)
    common: int = setting(5, description="Shared by name.", shared=True)


class Child(Mine, pipeline="child"):
    extra: float = setting(0.5, description="More.")


def read(*argv: str, model: type[Settings] = Mine) -> Settings:
    return parse(model, "telecine mine go", "Does it.", argv)


def refused(*argv: str, model: type[Settings] = Mine) -> str:
    with pytest.raises(UsageError) as error:
        read(*argv, model=model)
    return error.value.message


def test_keyword_beats_variable_beats_default(monkeypatch):
    assert Mine().common == 5
    monkeypatch.setenv("TELECINE_COMMON", "6")
    assert Mine().common == 6
    assert Mine(common=7).common == 7


def test_variables_carry_the_pipeline_of_the_class_that_declares_the_field():
    assert Mine.variables("level") == ("TELECINE_LEVEL",)
    assert Mine.variables("size_mb") == ("TELECINE_MINE_SIZE_MB",)
    assert Mine.variables("common") == ("TELECINE_COMMON",)
    assert Child.variables("size_mb") == ("TELECINE_MINE_SIZE_MB",)
    assert Child.variables("extra") == ("TELECINE_CHILD_EXTRA",)


def test_aliases_are_read_in_their_order_after_the_own_name(monkeypatch):
    monkeypatch.setenv("THIRD_TOKEN", "third")
    assert Mine().token.get_secret_value() == "third"
    monkeypatch.setenv("OTHER_TOKEN", "other")
    assert Mine().token.get_secret_value() == "other"
    monkeypatch.setenv("TELECINE_TOKEN", "own")
    assert Mine().token.get_secret_value() == "own"


def test_an_empty_variable_counts_as_not_set(monkeypatch):
    monkeypatch.setenv("TELECINE_MINE_SIZE_MB", "")
    assert Mine().size_mb is None


def test_tuples_come_from_repeated_flags_or_are_comma_separated(monkeypatch):
    assert read("--names", "a, b,,", "--names", "c").names == ("a", "b", "c")
    assert read("--names", " , ").names == ()
    monkeypatch.setenv("TELECINE_MINE_NAMES", "a, b,,c")
    assert Mine().names == ("a", "b", "c")
    assert read("--names", "d").names == ("d",)


def test_settings_are_frozen_and_refuse_unknown_names():
    with pytest.raises(ValidationError):
        Mine().common = 1
    with pytest.raises(ValidationError):
        Mine(commn=1)


def test_parameters_hold_no_secret(monkeypatch):
    monkeypatch.setenv("TELECINE_TOKEN", "hush-hush")
    assert "token" not in Mine().parameters()
    assert "hush-hush" not in repr(Mine())


def test_flags_parse_into_the_model():
    got = read("--size-mb=4", "--no-keep", "--level", "HIGH", "--place", "-")
    assert (got.size_mb, got.keep, got.level, got.place) == (4, False, "HIGH", "-")
    assert read("--no-keep", "--keep").keep is True


def test_an_unknown_flag_names_the_valid_ones():
    message = refused("--sise-mb", "3")
    assert "--sise-mb" in message
    assert "did you mean --size-mb?" in message
    assert "--names" in message
    assert "--no-keep" in message


def test_a_wrong_value_names_flag_value_and_what_is_valid():
    assert refused("--level", "low") == "telecine mine go: --level low is not valid; expected one of LOW, HIGH"
    assert "--size-mb x is not valid; expected a whole number" in refused("--size-mb", "x")
    assert "--size-mb 0 is not valid; expected a value greater than or equal to 1" in refused("--size-mb", "0")


class Written(Settings, pipeline="written"):
    name: Annotated[str, Field(min_length=1, max_length=4)] = setting("a", description="A name.")
    mark: Literal[".", ","] = setting(".", description="A mark.")


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--name", "", "--name '' is not valid; expected some text"),
        ("--name", "abcde", "--name abcde is not valid; expected at most 4 characters"),
        ("--mark", "x", "--mark x is not valid; expected one of '.', ','"),
    ],
)
def test_limits_of_length_and_punctuation_are_described_in_words(flag, value, said):
    with pytest.raises(UsageError) as caught:
        parse(Written, "telecine written", "", [flag, value])
    assert caught.value.message == f"telecine written: {said}"


def test_a_wrong_variable_is_named_itself(monkeypatch):
    monkeypatch.setenv("TELECINE_MINE_SIZE_MB", "x")
    assert "TELECINE_MINE_SIZE_MB=x is not valid" in refused()
    assert read("--size-mb", "2").size_mb == 2


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["word"], "unexpected argument 'word'"),
        (["--size-mb"], "--size-mb needs a value"),
        (["--keep=1"], "takes no value"),
        (["-x"], "unknown flag -x"),
        (["--inner", "3"], "unknown flag --inner"),
    ],
)
def test_other_mistakes_are_usage_errors(argv, said):
    assert said in refused(*argv)


def test_every_wrong_value_is_named_at_once():
    assert refused("--level", "x", "--size-mb", "y").count("is not valid") == 2


def test_a_secret_is_not_repeated_in_a_message():
    class Strict(Settings):
        token: Annotated[SecretStr, Field(min_length=20)] = setting(description="Long.")

    message = refused("--token", "hush-hush", model=Strict)
    assert "--token" in message
    assert "hush" not in message
    assert "TELECINE_TOKEN" in refused(model=Strict)


def test_help_shows_the_resolved_default_and_the_variable(monkeypatch, capsys):
    monkeypatch.setenv("TELECINE_MINE_SIZE_MB", "9")
    monkeypatch.setenv("TELECINE_TOKEN", "hush-hush")
    with pytest.raises(SystemExit) as end:
        read("--help", "--level", "wrong")
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "[default: 9 from TELECINE_MINE_SIZE_MB; TELECINE_MINE_SIZE_MB]" in text
    assert "[default: made; TELECINE_MINE_PLACE]" in text
    assert "[default: *** from TELECINE_TOKEN; TELECINE_TOKEN, TELECINE_TOKEN_FILE, OTHER_TOKEN or THIRD_TOKEN]" in text
    assert "[default: --keep; TELECINE_MINE_KEEP]" in text
    assert "hush" not in text
    assert text.index("--size-mb") < text.index("Common:") < text.index("--level")


def test_an_argument_by_position():
    class Show(Settings):
        run: str = setting(description="Which.", argument=True)

    assert read("abc", model=Show).run == "abc"
    assert "RUN is missing" in refused(model=Show)
    assert "unexpected argument 'b'" in refused("a", "b", model=Show)


def test_an_argument_by_position_that_may_be_left_out(monkeypatch, capsys):
    class Replay(StepSettings, pipeline="mine"):
        all: bool = setting(False, description="All.")
        run: str = setting("", description="Which.", argument=True)

    # A command's subject is an argument: a variable of that name belongs to another program.
    monkeypatch.setenv("TELECINE_MINE_RUN", "of-the-environment")
    assert Replay().run == ""
    assert read(model=Replay).run == ""
    assert read("--all", model=Replay).run == ""
    assert read("--all", "abc", "--log-level", "ERROR", model=Replay).run == "abc"
    assert "unexpected argument 'b'" in refused("a", "b", model=Replay)
    with pytest.raises(SystemExit):
        read("--help", model=Replay)
    out = " ".join(capsys.readouterr().out.split())
    assert "[RUN]" in out
    assert "of-the-environment" not in out


def test_an_argument_that_is_needed_and_takes_all_words():
    class Undo(Settings):
        yes: bool = setting(False, description="Do it.")
        numbers: tuple[int, ...] = setting(description="Which.", argument=True)

    assert read("1", model=Undo).numbers == (1,)
    assert read("1", "2", "--yes", "3", model=Undo).numbers == (1, 2, 3)
    assert "NUMBERS is missing" in refused("--yes", model=Undo)


def test_arguments_that_are_needed_come_first():
    class Two(Settings):
        second: str = setting("b", description="May be left out.", argument=True)
        first: str = setting(description="Is needed.", argument=True)

    assert read("a", model=Two).model_dump() == {"second": "b", "first": "a"}
    assert read("a", "c", model=Two).second == "c"
    assert "FIRST is missing" in refused(model=Two)


def test_an_argument_that_takes_several_words_and_needs_one():
    class Several(Settings):
        numbers: tuple[int, ...] = setting(description="Which.", argument=True)
        keep: bool = setting(False, description="Keep.")

    assert read("1", "--keep", "2", model=Several).numbers == (1, 2)
    assert read("7", model=Several).numbers == (7,)
    assert "NUMBERS is missing" in refused("--keep", model=Several)


def test_the_docs_table_does_not_depend_on_the_machine(monkeypatch):
    before = table(Mine, without=Shared.model_fields)
    monkeypatch.setenv("TELECINE_MINE_SIZE_MB", "9")
    assert table(Mine, without=Shared.model_fields) == before
    assert "| `--size-mb` N | `TELECINE_MINE_SIZE_MB` | all | Size. |" in before
    assert "| somewhere | Where. |" in before
    assert "Keep \\| drop." in before
    assert "--inner" not in before
    assert "--level" not in before
    assert "`LOW` \\| `HIGH`" in table(Mine)


class Late(Settings, pipeline="mine"):
    work: int = setting(1, description="Work.", group=SECOND)
    target: str = setting("", description="Target.", group=FIRST)


class Early(Settings, pipeline="mine"):
    source: str = setting("", description="Source.", detail="Told in the docs only.", group=FIRST)


class Both(Early, Late, Shared, pipeline="mine"):
    limit: int = setting(1, description="Limit.", group=SECOND)


class Reversed(Late, Shared, Early, pipeline="mine"):
    limit: int = setting(1, description="Limit.", group=SECOND)


@pytest.mark.parametrize("model", [Both, Reversed])
def test_flags_are_in_groups_whatever_the_order_of_inheritance(model, capsys):
    wanted = ["target", "source", "work", "limit", "level", "token"]
    assert [flag.name for flag in flags(model)] == wanted
    with pytest.raises(SystemExit):
        read("--help", model=model)
    text = capsys.readouterr().out
    lines = ["First:", "--target", "--source", "Second:", "--work", "--limit", "Common:", "--level", "--token"]
    places = [text.index(f"\n{line}" if line.endswith(":") else f"  {line} ") for line in lines]
    assert places == sorted(places)
    assert "Told in the docs only." not in text


def test_the_docs_table_has_a_section_for_each_group_and_the_details():
    text = table(Both, without=Shared.model_fields)
    first, second = text.split("**Second**")
    assert first.startswith("**First**\n\n| Flag |")
    assert "| Source. Told in the docs only. |" in first
    assert "--limit" in second
    assert table(Both, without=Both.model_fields) == ""
    assert table(Late, without=["target"]).startswith("| Flag |"), "one section needs no heading"


@pytest.mark.parametrize(
    ("field", "held"),
    [
        ("names", ""),
        ("size_mb", ""),
        ("keep", "true"),
        ("place", ""),
        ("common", "5"),
    ],
)
def test_a_default_as_its_variable_holds_it(field, held):
    assert shell_default(Mine.model_fields[field]) == held


def test_every_step_has_the_shared_flags():
    names = {flag.flag for flag in flags(StepSettings)}
    assert {"--log-level", "--log-file", "--report-dir", "--run-id", "--state-dir", "--database-url"} <= names
    assert all(flag.pipeline is None for flag in flags(StepSettings))


def test_a_wrong_log_level_names_the_four():
    message = refused("--log-level", "TRACE", model=StepSettings)
    assert "DEBUG, INFO, WARNING, ERROR" in message


@given(st.integers(min_value=1, max_value=10**12), st.booleans(), st.lists(st.text(max_size=20), max_size=4))
def test_what_is_given_as_flags_is_what_the_model_holds(size, keep, names):
    argv = [f"--size-mb={size}", "--keep" if keep else "--no-keep"]
    for name in names:
        argv += ["--names", name]
    got = read(*argv)
    parts = [part for name in names for part in split_list(name)]
    assert (got.size_mb, got.keep, got.names) == (size, keep, tuple(parts))


def test_variables_of_the_pipeline_that_no_setting_has_and_nearly_equal_ones_are_unknown(monkeypatch):
    assert IngestSettings.pipelines  # its module must be imported
    prefix = "TELECINE_SCREENALYTICS_"
    for name in (
        *("PREFIX", "PREFIX_BASE64", "SECRET_ACCESS_KEY_FILE", "RUN_BASE64", "ENABLED", "OUTBOX_URL"),
        *("PREFX", "GRACE_MINS_BASE64", "OUTBOX_URI_FILE"),
    ):
        monkeypatch.setenv(prefix + name, "1")
    # Of other pipelines, whether or not their settings are imported, only a misspelled name of ours is reported.
    for name in ("SCREENALYTIC_PREFIX", "FRAMES_OF_OTHERS", "RAY_CPU_WORKER"):
        monkeypatch.setenv(f"TELECINE_{name}", "1")
    assert RaySettings.pipelines
    assert unknown_variables("screenalytics") == {
        "TELECINE_SCREENALYTIC_PREFIX": f"{prefix}PREFIX",
        f"{prefix}GRACE_MINS_BASE64": f"{prefix}GRACE_MIN",
        f"{prefix}OUTBOX_URI_FILE": f"{prefix}OUTBOX_URL",
        f"{prefix}PREFX": f"{prefix}PREFIX",
    }


def test_an_underscore_at_the_end_of_a_field_is_no_part_of_its_flag(monkeypatch):
    class Printed(Settings, pipeline="mine"):
        json_: bool = setting(False, description="Print JSON.")

    [flag] = flags(Printed)
    assert (flag.flag, flag.negative, flag.variables) == ("--json", "--no-json", ("TELECINE_MINE_JSON",))
    assert parse(Printed, "telecine", "", ["--json"]).json_ is True
    monkeypatch.setenv("TELECINE_MINE_JSON", "true")
    assert Printed().json_ is True


def test_a_file_is_not_the_number_of_an_upload():
    for model, argv in (
        (RetractSettings, ["july.csv", "--reason", "x"]),
        (ValidateSettings, ["--upload", "1,july.csv"]),
    ):
        with pytest.raises(UsageError, match="expected the number of an upload, as in `telecine viewership uploads`"):
            parse(model, "telecine", "", argv)
    assert parse(ValidateSettings, "telecine", "", ["--upload", "1,2"]).upload == (1, 2)


@given(values=st.lists(st.text("a,\\= \n").map(str.strip).filter(bool)))
def test_a_list_as_text_has_the_same_values(values):
    names, text = tuple(values), join_list(values)
    assert split_list(text) == names
    assert read(f"--names={text}").names == names
    with patch.dict(os.environ, {"TELECINE_MINE_NAMES": text}):
        assert Mine().names == names
    # Each value alone, as a process passes it to another.
    assert read(*arguments(Mine(names=names))).names == names


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a,b, c ,,", ("a", "b", "c")),
        (r"a\,b", ("a,b",)),
        (r"a\\,b", ("a\\", "b")),
        (r"C:\x\y", (r"C:\x\y",)),
        ("a\\", ("a\\",)),
        (r"\,", (",",)),
    ],
)
def test_only_a_backslash_before_a_comma_is_special(text, values):
    assert split_list(text) == values
