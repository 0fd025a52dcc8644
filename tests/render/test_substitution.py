"""Hostile text through Argo's own substitution and the kubelet's: it reaches the step as it was typed, unevaluated."""

from __future__ import annotations

import base64
import copy
import json
import os
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from jobs.gamedata.settings import ExtractSettings, PlanSettings
from jobs.screenalytics.settings import ReplaySettings
from jobs.trakt.settings import BackfillSettings, IngestSettings, SloSettings
from jobs.viewership.settings.reprocess import ReprocessSettings
from jobs.viewership.settings.uploads import RetractSettings, RunSettings
from shared.notify.failures import parse
from shared.notify.settings import CloseSettings
from shared.retention.settings import VacuumSettings
from shared.secrets import FOLDER_VARIABLE
from shared.settings.base import active_variable, encoded_form
from shared.step.form import GIVEN_VARIABLE, check_names
from tests.argo_template import Argo, argo
from tests.render.rendered import TEMPLATES, WITH_LEDGER, by_name, spec_of, templates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shared.settings import Settings

# One worker builds the program.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200), pytest.mark.xdist_group("argo-template")]

SECRET = "postgresql://u:hunter2hunter2@db/t"
ENVIRONMENT = {"TELECINE_DATABASE_URL": SECRET}
HOSTILE = (
    "{{=1+1}}",
    "{{=sprig.repeat(2000,`A`)}}",
    "{{workflow.name}}",
    "{{inputs.parameters.prefix}}",
    "$(TELECINE_DATABASE_URL)",
    "$$(X)",
    "$(TELECINE_RUN_ID)",
    "'\"`\\",
    "a\nb\tc\x7f",
    "\u2028\u202e\u00ad\u009b",
    "\U000e0001 \U0001f600",
    "\\xff \\u0041",
    "--all",
    "--",
    " a ",
    "placeholder-1",
    "__argo__internal__placeholder-1",
    "x" * 60_000,
)
# Argo reads a Workflow's own arguments as a template before ours exist, and refuses the Workflow.
REFUSED = ("{{=nope(}}",)


def forms(*names: str) -> list[dict[str, str]]:
    """Return forms that together hold every hostile text once: each name has several, and each form is a request."""
    count = len(names)
    return [dict(zip(names, HOSTILE[start : start + count], strict=True)) for start in range(0, len(HOSTILE), count)]


@pytest.fixture(scope="module")
def program() -> Iterator[Argo]:
    started = argo()
    yield started
    started.close()


def documents() -> list[dict[str, Any]]:
    """Return the templates, to be passed on as they are; a test that changes some copies them."""
    return [by_name()[name] for name in TEMPLATES]


def containers_of(response: dict[str, Any], *names: str, pipeline: str | None = None) -> list[dict[str, Any]]:
    """Return the containers of these templates; in `media`, several pipelines have an `ingest`."""
    assert response["error"] == ""
    found = [
        each for each in response["containers"] if each["template"] in names and pipeline in (None, each["args"][0])
    ]
    assert {each["template"] for each in found} == set(names)
    return found


def without_secrets(variables: dict[str, str]) -> dict[str, str]:
    """Return the variables without the folder of mounted Secrets, which this machine does not have."""
    return {name: value for name, value in variables.items() if name != FOLDER_VARIABLE}


def value_in(container: dict[str, Any], model: type[Settings], field: str) -> str | None:
    """Return what the step's settings read in the container."""
    with patch.dict(os.environ, without_secrets(container["env"]), clear=True):
        found = active_variable(model, field)
    return found[1] if found else None


def nothing_leaked(containers: Iterable[dict[str, Any]]) -> None:
    for container in containers:
        given = {name: value for name, value in container["env"].items() if name not in ENVIRONMENT}
        assert SECRET not in json.dumps([container["args"], container["command"], given])


@pytest.mark.parametrize("form", forms("prefix", "output-path", "checks"))
def test_a_value_of_the_form_arrives_as_base64_of_itself(program: Argo, form: dict[str, str]) -> None:
    given = {**form, "source-bucket": "b"}
    response = program.ask(documents(), template="gamedata", parameters=given, environment=ENVIRONMENT)
    wanted = {name: base64.b64encode(text.encode()).decode() for name, text in form.items()}
    nothing_leaked(response["containers"])
    for container in containers_of(response, "plan", "extract-on-cluster", "extract-in-pod", "manifest-over-frames"):
        assert container["env"]["TELECINE_GAMEDATA_PREFIX_BASE64"] == wanted["prefix"]
        assert value_in(container, ExtractSettings, "prefix") == form["prefix"]
    for container in containers_of(response, "plan", "manifest-over-frames"):
        assert value_in(container, PlanSettings, "output_path") == form["output-path"]
        assert value_in(container, PlanSettings, "checks") == form["checks"]
    for container in containers_of(response, "manifest-over-statistics", "manifest-over-frames"):
        assert container["env"]["TELECINE_GAMEDATA_OUTPUT_PATH_BASE64"] == wanted["output-path"]


@pytest.mark.parametrize("form", forms("files", "map", "period", "format", "sheet", "domain"))
@pytest.mark.parametrize(("template", "prefix"), [("viewership", ""), ("media", "viewership-")])
def test_a_file_and_a_choice_of_the_form_arrive_as_base64_of_themselves(
    program: Argo, template: str, prefix: str, form: dict[str, str]
) -> None:
    given = {f"{prefix}{name}": text for name, text in form.items()}
    response = program.ask(documents(), template=template, parameters=given, environment=ENVIRONMENT)
    nothing_leaked(response["containers"])
    (upload,) = containers_of(response, "upload")
    assert upload["args"] == ["viewership", "run"]
    assert {name: value_in(upload, RunSettings, name) for name in form} == form


@pytest.mark.parametrize(
    ("name", "text"),
    [("screenalytics", text) for text in HOSTILE] + [("media", HOSTILE[0]), ("media", HOSTILE[4])],
    ids=lambda text: ascii(text)[:20],
)
def test_a_value_of_a_config_map_arrives_as_base64_of_itself(program: Argo, name: str, text: str) -> None:
    config = {"telecine-parameters": {"screenalytics-prefix": text, "screenalytics-enabled": "true"}}
    response = program.ask(documents(), template=name, configMaps=config, environment=ENVIRONMENT)
    nothing_leaked(response["containers"])
    (ingest,) = containers_of(response, "ingest", pipeline="screenalytics")
    assert ingest["env"]["TELECINE_SCREENALYTICS_PREFIX_BASE64"] == base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("text", REFUSED)
def test_argo_itself_refuses_a_malformed_expression_in_a_workflows_arguments(program: Argo, text: str) -> None:
    response = program.ask(documents(), template="gamedata", parameters={"prefix": text})
    assert response["error"].startswith("spec: ")


def test_such_a_value_arrives_from_a_config_map(program: Argo) -> None:
    for text in REFUSED:
        config = {"telecine-parameters": {"screenalytics-prefix": text}}
        (ingest,) = containers_of(program.ask(documents(), template="screenalytics", configMaps=config), "ingest")
        assert value_in(ingest, ReplaySettings, "prefix") == text


@pytest.mark.parametrize(
    "text", [*HOSTILE[:-1], *REFUSED, "base64:eA==", "x" * 64_000], ids=lambda text: ascii(text)[:20]
)
def test_a_value_that_a_program_encodes_arrives_as_it_was(program: Argo, text: str) -> None:
    form = {"filename": encoded_form(text), "map": encoded_form(f"{text}=hours"), "platform": encoded_form("orbit-tv")}
    response = program.ask(documents(), template="viewership", parameters=form, environment=ENVIRONMENT)
    nothing_leaked(response["containers"])
    (upload,) = containers_of(response, "upload")
    assert value_in(upload, RunSettings, "filename") == text
    assert value_in(upload, RunSettings, "map") == f"{text}=hours"
    assert value_in(upload, RunSettings, "platform") == form["platform"] == "orbit-tv"
    assert max(len(f"{name}={value}".encode()) for name, value in upload["env"].items()) < 128 * 1024


@pytest.mark.parametrize("text", ["{{workflow.name}}", *REFUSED, "$(TELECINE_DATABASE_URL)"])
def test_a_reason_and_a_name_reach_the_single_steps(program: Argo, text: str) -> None:
    form = {"number": "12", "reason": encoded_form(text), "by": encoded_form(text)}
    response = program.ask(documents(), template="viewership-retract", parameters=form, environment=ENVIRONMENT)
    nothing_leaked(response["containers"])
    (retract,) = containers_of(response, "retract")
    assert retract["args"] == ["viewership", "retract"]
    assert [value_in(retract, RetractSettings, name) for name in ("number", "reason", "by")] == ["12", text, text]
    form = {"upload": "12", "all": "true", "by": encoded_form(text)}
    response = program.ask(documents(), template="viewership-reprocess", parameters=form)
    (reprocess,) = containers_of(response, "reprocess")
    assert [value_in(reprocess, ReprocessSettings, name) for name in ("upload", "all_", "by")] == ["12", "true", text]


@pytest.mark.parametrize("text", ["--all", "--", "$(TELECINE_DATABASE_URL)", "\U000e0001", "it's"])
def test_an_input_of_an_entrypoint_is_a_variable_and_no_argument(program: Argo, text: str) -> None:
    response = program.ask(
        documents(), template="screenalytics", entrypoint="replay", parameters={"run": text}, environment=ENVIRONMENT
    )
    nothing_leaked(response["containers"])
    (replay,) = containers_of(response, "replay")
    assert replay["args"] == ["screenalytics", "replay"]
    assert value_in(replay, ReplaySettings, "run") == text
    assert value_in(replay, ReplaySettings, "all") == "false"


def test_the_workflows_own_parameters_reach_an_entrypoint(program: Argo) -> None:
    response = program.ask(
        documents(), template="maintenance", entrypoint="vacuum", parameters={"artifacts": "s3://a$(B)"}
    )
    (vacuum,) = containers_of(response, "vacuum")
    assert value_in(vacuum, VacuumSettings, "artifacts") == "s3://a$(B)"


def test_argo_accepts_the_templates(program: Argo) -> None:
    """All of them, with a Workflow of each: the program returns the first error with the template's name."""
    assert program.ask(documents(), validate=True)["error"] == ""


def test_argo_would_not_accept_an_unknown_variable(program: Argo) -> None:
    wrong = copy.deepcopy(documents())
    main = next(each for each in wrong if each["metadata"]["name"] == "gamedata")["spec"]["templates"][0]
    main["dag"]["tasks"][0]["arguments"]["parameters"][0]["value"] = "{{workflow.parameters.prefx}}"
    assert "prefx" in program.ask(wrong, template="gamedata", validate=True)["error"]


def test_an_empty_value_stays_empty(program: Argo) -> None:
    form = {"prefix": "", "output-path": "", "manifest-bucket": "s3://made"}
    response = program.ask(documents(), template="gamedata", parameters=form)
    (plan, manifest) = containers_of(response, "plan", "manifest-over-statistics")
    assert plan["env"]["TELECINE_GAMEDATA_PREFIX_BASE64"] == ""
    assert value_in(plan, PlanSettings, "prefix") is None
    assert value_in(plan, PlanSettings, "output_path") == "s3://made/_manifests/gamedata-x7k2p.parquet"
    assert value_in(manifest, PlanSettings, "output_path") == value_in(plan, PlanSettings, "output_path")


@pytest.mark.parametrize(
    ("bucket", "uri"),
    [("made", "s3://made/_manifests/"), ("file:///a", "file:///a/_manifests/"), ("$(X)", "s3://$(X)/")],
)
def test_the_manifest_is_in_its_bucket(program: Argo, bucket: str, uri: str) -> None:
    response = program.ask(documents(), template="gamedata", parameters={"manifest-bucket": bucket})
    (plan,) = containers_of(response, "plan")
    assert (value_in(plan, PlanSettings, "output_path") or "").startswith(uri)


@pytest.mark.parametrize("chosen", ["local", "cpu", "gpu", "mixed", None])
@pytest.mark.parametrize("checks", ["", "s3://bucket/checks.py", "'"])
def test_conditions_read_what_the_plan_chose_and_the_decoded_values(
    program: Argo, chosen: str | None, checks: str
) -> None:
    """The word of the form does not decide, because the plan has checked it. Without its output, a RayJob is right."""
    results = {} if chosen is None else {"plan.outputs.parameters.compute": chosen}
    # A form that asks for the opposite, to tell the two apart.
    form = {"compute": "cpu" if chosen == "local" else "local", "checks": checks}
    response = program.ask(documents(), template="gamedata", parameters=form, results=results)
    when = {each["template"]: each["when"][-1] for each in response["containers"]}
    assert (when["extract-in-pod"], when["extract-on-cluster"]) == (
        ("true", "false") if chosen == "local" else ("false", "true")
    )
    assert (when["manifest-over-frames"], when["manifest-over-statistics"]) == (
        ("true", "false") if checks else ("false", "true")
    )
    for container in containers_of(response, "extract-in-pod", "extract-on-cluster"):
        assert value_in(container, ExtractSettings, "compute") == (chosen or "cpu")


@pytest.mark.parametrize("form", forms("compute", "one-pod-s"))
def test_the_word_of_the_form_for_compute_is_evaluated_nowhere(program: Argo, form: dict[str, str]) -> None:
    response = program.ask(
        documents(),
        template="gamedata",
        parameters=form,
        results={"plan.outputs.parameters.compute": "local"},
        environment=ENVIRONMENT,
    )
    nothing_leaked(response["containers"])
    (plan, extract) = containers_of(response, "plan", "extract-in-pod")
    assert value_in(plan, PlanSettings, "compute") == form["compute"]
    assert value_in(plan, PlanSettings, "one_pod_s") == form["one-pod-s"]
    assert value_in(extract, ExtractSettings, "compute") == "local"
    assert extract["when"][-1] == "true"


@pytest.mark.parametrize("text", ["{{=1+1}}", "'", "x' == 'x", "{{workflow.name}}"])
def test_a_plan_that_writes_another_word_has_a_rayjob_asked_for_it(program: Argo, text: str) -> None:
    """Nothing of it is evaluated: the launcher rejects the word by name."""
    results = {"plan.outputs.parameters.compute": text}
    response = program.ask(documents(), template="gamedata", results=results)
    found = {each["template"]: each for each in containers_of(response, "extract-in-pod", "extract-on-cluster")}
    assert {name: each["when"][-1] for name, each in found.items()} == {
        "extract-in-pod": "false",
        "extract-on-cluster": "true",
    }
    assert value_in(found["extract-on-cluster"], ExtractSettings, "compute") == text


def going_on(program: Argo, **results: str) -> dict[str, bool]:
    """Return whether each later step of viewership would run after steps with these results."""
    known = {name.replace("__", ".outputs.parameters.").replace("_code", ".exitCode"): v for name, v in results.items()}
    response = program.ask(documents(), template="viewership", results=known)
    assert response["error"] == ""
    found = {each["template"]: each["when"][-1] for each in response["containers"]}
    assert set(found.values()) <= {"true", "false"}, "Argo would not parse it"
    return {name: found[name] == "true" for name in ("normalize", "match", "load", "verify")}


@pytest.mark.parametrize(
    ("code", "waiting", "normalizes", "verifies"),
    [
        ("0", "0", False, True),
        ("0", "2", True, True),
        # Bad files, and two good ones that are too large for one pod.
        ("65", "2", True, True),
        ("65", "0", False, True),
        # The database is down, a parameter is wrong, a right is missing, a bug, out of memory.
        *((code, "2", False, False) for code in ("75", "2", "78", "70", "137", "143")),
    ],
)
def test_later_steps_run_unless_the_upload_itself_failed(
    program: Argo, code: str, waiting: str, normalizes: bool, verifies: bool
) -> None:
    found = going_on(program, upload_code=code, upload__waiting=waiting, normalize_code="0", match_code="0")
    assert (found["normalize"], found["verify"]) == (normalizes, verifies)
    assert (found["match"], found["load"]) == (True, True)


def test_a_step_that_failed_for_another_reason_than_bad_data_ends_the_chain(program: Argo) -> None:
    found = going_on(program, upload_code="0", upload__waiting="1", normalize_code="75", match_code="65")
    assert (found["match"], found["load"], found["verify"]) == (False, True, True)


def test_a_pod_without_an_exit_code_does_not_let_the_run_wait_for_one(program: Argo) -> None:
    """Argo requeues a run with an unknown variable until its deadline: a pod that never started sets none."""
    assert going_on(program) == dict.fromkeys(("normalize", "match", "load", "verify"), False)


def carrying_on(program: Argo, code: str | None, dry: str) -> str:
    """Return whether the models of trakt would run after an ingest with this exit code."""
    results = {} if code is None else {"ingest.exitCode": code}
    response = program.ask(documents(), template="trakt", parameters={"dry-run": dry}, results=results)
    (model,) = containers_of(response, "model")
    verdict: str = model["when"][-1]
    return verdict


@pytest.mark.parametrize(
    ("code", "dry", "models"),
    [
        ("0", "false", "true"),
        # Titles that failed; the API stopped answering: what had arrived is committed.
        ("65", "false", "true"),
        ("75", "false", "true"),
        # The key is refused, a parameter is wrong, a bug, out of memory, a deadline.
        *((code, "false", "false") for code in ("78", "2", "70", "137", "143")),
        # A pod that never started.
        (None, "false", "false"),
        ("0", "true", "false"),
    ],
)
def test_models_follow_an_ingest_that_committed_something(
    program: Argo, code: str | None, dry: str, models: str
) -> None:
    assert carrying_on(program, code, dry) == models


@pytest.mark.parametrize("form", forms("titles", "watch-list"))
@pytest.mark.parametrize(
    ("template", "prefix", "step"),
    [("trakt", "", "ingest"), ("media", "trakt-", "ingest"), ("trakt-backfill", "", "backfill")],
)
def test_titles_and_a_watch_list_of_a_form_arrive_as_base64_of_themselves(
    program: Argo, template: str, prefix: str, step: str, form: dict[str, str]
) -> None:
    given = {f"{prefix}{name}": text for name, text in form.items()}
    response = program.ask(documents(), template=template, parameters=given, environment=ENVIRONMENT)
    nothing_leaked(response["containers"])
    (reader,) = containers_of(response, step, pipeline="trakt")
    assert reader["args"] == ["trakt", step]
    model = IngestSettings if step == "ingest" else BackfillSettings
    assert value_in(reader, model, "titles") == form["titles"]
    assert value_in(reader, model, "watch_list") == form["watch-list"]


def test_the_day_of_a_form_reaches_ingest_and_slo_and_the_entrypoint_freshness(program: Argo) -> None:
    form = {"as-of": "2026-11-29"}
    response = program.ask(documents(), template="trakt", parameters=form)
    (ingest, slo) = containers_of(response, "ingest", "slo")
    assert value_in(ingest, IngestSettings, "as_of") == value_in(slo, SloSettings, "day") == "2026-11-29"
    response = program.ask(documents(), template="trakt", entrypoint="freshness", parameters=form)
    (slo,) = containers_of(response, "slo")
    assert value_in(slo, SloSettings, "day") == "2026-11-29"
    assert {each["template"] for each in response["containers"]} == {"slo"}


@pytest.mark.parametrize(("value", "runs"), [("true", "true"), ("false", "false"), ("{{=1}}", "true"), ("'", "true")])
def test_the_switch_of_media_leaves_out_the_upload(program: Argo, value: str, runs: str) -> None:
    config = {"telecine-parameters": {"viewership-enabled": value}}
    response = program.ask(documents(), template="media", configMaps=config)
    (upload,) = containers_of(response, "upload")
    assert upload["when"][-1] == runs


@pytest.mark.parametrize("name", WITH_LEDGER)
def test_the_names_of_the_form_arrive(program: Argo, name: str) -> None:
    first = {"gamedata": "plan", "screenalytics": "ingest", "viewership": "upload", "trakt": "ingest"}
    response = program.ask(documents(), template=name, parameters={"typo": "{{=1+1}}$(X)"})
    for pipeline, template in first.items():
        if name in (pipeline, "media"):
            (container,) = containers_of(response, template, pipeline=pipeline)
            names = json.loads(base64.b64decode(container["env"][GIVEN_VARIABLE]))
            assert names == [*(each["name"] for each in spec_of(name)["arguments"]["parameters"]), "typo"]
            known = {**container["env"], GIVEN_VARIABLE: container["env"][GIVEN_VARIABLE]}
            if name == "media":
                assert check_names(known, pipeline=pipeline).endswith("all known")


class TestTheExitHook:
    """Messages of failed nodes hold names from hostile files."""

    def close(self, program: Argo, *messages: str, status: str = "Failed", **node: str) -> CloseSettings:
        failures = [
            {"displayName": "extract(0)", "message": text, "templateName": "t", "phase": "Failed", "podName": "p"}
            | node
            for text in messages
        ]
        response = program.ask(
            documents(), template="gamedata", status=status, failures=failures or None, environment=ENVIRONMENT
        )
        nothing_leaked(response["containers"])
        (container,) = containers_of(response, "close-run")
        assert [word for word in container["args"] if "{" in word or "$" in word] == []
        # MAX_ARG_STRLEN: a variable with its name.
        assert max(len(f"{name}={value}".encode()) for name, value in container["env"].items()) < 100_000
        words = dict(zip(container["args"][2::2], container["args"][3::2], strict=True))
        with patch.dict(os.environ, without_secrets(container["env"]), clear=True):
            return CloseSettings(
                run_id=words["--run-id"],
                workflow_status=words["--workflow-status"],
                of=words["--of"],  # type: ignore[arg-type]
            )

    @pytest.mark.parametrize("text", [*HOSTILE[:-1], *REFUSED, "{{", "}}", "\\", '"', "", "\x00\x01\x1b\x80<>&"])
    def test_a_message_arrives_as_it_was(self, program: Argo, text: str) -> None:
        settings = self.close(program, text)
        (failure,) = parse(settings.failures)
        assert failure.message == text
        assert settings.failures_total == 1

    def test_nothing_failed(self, program: Argo) -> None:
        settings = self.close(program, status="Succeeded")
        assert parse(settings.failures) == []
        assert settings.failures_total == 0

    @pytest.mark.parametrize("text", ["x" * 1000, "é" * 1000, "\U0001f600" * 500, '"\\' * 500, "\u2028" * 500])
    @pytest.mark.parametrize("shift", range(4))
    def test_of_a_long_list_every_complete_failure_arrives(self, program: Argo, text: str, shift: int) -> None:
        settings = self.close(program, *[text] * 200, displayName="s" * (shift + 1))
        found = parse(settings.failures)
        assert 10 < len(found) < 200
        assert {failure.message for failure in found} == {text}
        assert settings.failures_total == 200

    @pytest.mark.parametrize(
        "text",
        ['"displayName":', 'displayName":', '\\"displayName\\":', '{"displayName":"x"}', 'displayName\\":', "\\"],
    )
    def test_no_message_forges_the_number(self, program: Argo, text: str) -> None:
        assert self.close(program, text, text, displayName=text).failures_total == 2


class TestAsItWas:
    """The same program shows what happened to text that a template inserts as it is."""

    def old(self) -> list[dict[str, Any]]:
        """Return the gamedata template, with one value of the form and the failures passed as they are."""
        documents_ = copy.deepcopy(documents())
        spec = next(each for each in documents_ if each["metadata"]["name"] == "gamedata")["spec"]
        by_template = {each["name"]: each for each in spec["templates"]}
        (prefix,) = (
            each
            for each in by_template["main"]["dag"]["tasks"][0]["arguments"]["parameters"]
            if each["name"] == "prefix"
        )
        prefix["value"] = "{{workflow.parameters.prefix}}"
        by_template["close-run"]["container"]["args"] += ["--failures", "{{workflow.failures}}"]
        return documents_

    @pytest.mark.parametrize(
        ("text", "arrived"),
        [
            ("{{=1+1}}", "2"),
            ("{{=sprig.repeat(2000,`A`)}}", "A" * 2000),
            ("{{workflow.name}}", "gamedata-x7k2p"),
            ("$(TELECINE_DATABASE_URL)", SECRET),
        ],
    )
    def test_a_value_was_evaluated(self, program: Argo, text: str, arrived: str) -> None:
        response = program.ask(self.old(), template="gamedata", parameters={"prefix": text}, environment=ENVIRONMENT)
        (plan,) = containers_of(response, "plan")
        assert plan["env"]["TELECINE_GAMEDATA_PREFIX_BASE64"] == arrived

    def test_some_text_made_no_pod(self, program: Argo) -> None:
        assert (
            "invalid JSON" in program.ask(self.old(), template="gamedata", parameters={"prefix": "\U000e0001"})["error"]
        )

    def test_a_message_was_evaluated(self, program: Argo) -> None:
        nodes = [{"displayName": "x", "message": "{{=1+1}} $(TELECINE_DATABASE_URL)"}]
        response = program.ask(
            self.old(), template="gamedata", status="Failed", failures=nodes, environment=ENVIRONMENT
        )
        (close,) = containers_of(response, "close-run")
        assert f"2 {SECRET}" in close["args"][-1]


def test_the_hook_is_the_one_that_is_tested() -> None:
    assert {name for name in TEMPLATES if "close-run" in templates(name)} == set(WITH_LEDGER)
