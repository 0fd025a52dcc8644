"""Check every parameter for plan: buckets, files, pictures, programs and form names; report all problems at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.errors import BucketMissing, ExtraMissing, ObjectMissing, TelecineError, UsageError, most_severe
from shared.step.form import check_names, is_known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobs.gamedata.settings import PlanSettings

__all__ = ["Checked", "validate"]

# Packages that are installed in the workers' image but not in this step's.
_WORKERS_HAVE: Final = frozenset({"av", "ray", "torch", "torchvision"})


@dataclass(frozen=True, slots=True)
class Checked:
    """One parameter and the result of its check, as shown in the report."""

    flag: str
    value: str
    result: str


def validate(settings: PlanSettings) -> list[Checked]:
    """Check every parameter, even if an earlier one is wrong, and return the results.

    Raises:
        TelecineError: the error if one parameter is wrong; if several are, the most severe one, with a message of one
            line for each.
    """
    checked: list[Checked] = []
    errors: list[TelecineError] = []
    for flag, value, check in _checks(settings):
        try:
            checked.append(Checked(flag, value, check()))
        except TelecineError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        worst = most_severe(*(error.exit_code for error in errors))
        first = next(error for error in errors if error.exit_code == worst)
        raise type(first)("\n".join(error.message for error in errors), code=first.code, **first.data)
    return checked


def _checks(settings: PlanSettings) -> Iterator[tuple[str, str, Callable[[], str]]]:
    yield "--source-bucket", settings.source_bucket, lambda: _bucket(settings, settings.source_bucket)
    yield "--manifest-bucket", settings.manifest_bucket, lambda: _target(settings)
    yield "--device", settings.device, lambda: _device(settings.compute, settings.device)
    yield "--output-path", settings.output_path, lambda: _output(settings)
    if settings.task_list:
        yield "--task-list", settings.task_list, lambda: _task_list(settings)
    for path in settings.checks:
        yield "--checks", path, lambda path=path: _check_file(path, settings)  # type: ignore[misc]
    if settings.menu_references:
        yield "--menu-references", settings.menu_references, lambda: _references(str(settings.menu_references))
    if settings.menu_model:
        yield "--menu-model", settings.menu_model, lambda: _model(settings)
    if settings.compute != "local":
        yield "workers", settings.compute, lambda: _workers(settings.compute)
    if is_known():
        yield "names of the form", "", lambda: check_names(pipeline="gamedata")


def _bucket(settings: PlanSettings, uri: str) -> str:
    from shared.storage import open_store

    first = next(iter(open_store(uri, settings).list(settings.prefix)), None)
    return "can be listed" if first is not None else "can be listed; empty"


def _target(settings: PlanSettings) -> str:
    try:
        return _bucket(settings, settings.manifest_bucket)
    except BucketMissing:
        if not settings.manifest_bucket.startswith("file:"):
            raise
        return "will be created"


def _device(compute: str, device: str) -> str:
    if compute == "cpu" and device == "cuda":
        raise UsageError(
            "--device cuda does not work with --compute cpu, whose workers have no GPU; expected --device auto or cpu,"
            " or --compute gpu or mixed"
        )
    return "CUDA on workers that have it, otherwise CPU" if device == "auto" else device


def _workers(compute: str) -> str:
    from shared.rayjob.bounds import check_workers, read_settings
    from shared.rayjob.manifest import groups_of

    found = read_settings()
    groups = groups_of(compute)
    check_workers(found, groups)
    return ", ".join(f"{getattr(found, f'{group}_workers')} {group}" for group in groups)


def _output(settings: PlanSettings) -> str:
    from shared.storage import open_store, split_uri

    try:
        root, key = split_uri(settings.output_path)
    except ValueError as error:
        raise UsageError(f"--output-path: {error}") from error
    if root.startswith("file:"):
        return "a file"
    try:
        open_store(root, settings).stat(key)
    except ObjectMissing:
        return "new"
    return "will be replaced"


def _task_list(settings: PlanSettings) -> str:
    from jobs.gamedata.extraction.task_list import read_task_list
    from shared.storage import open_store

    tasks = read_task_list(settings, open_store(settings.source_bucket, settings).uri)
    invalid = f", {len(tasks.invalid):,} invalid lines" if tasks.invalid else ""
    return f"{len(tasks.keys):,} keys{invalid}"


def _check_file(path: str, settings: PlanSettings) -> str:
    from jobs.gamedata.checks.load import CheckFile, load_built_in, load_file

    file = CheckFile.read(path, settings.checks_places)
    try:
        return f"{load_file(file, load_built_in())} checks"
    except UsageError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and (cause.name or "").partition(".")[0] in _WORKERS_HAVE:
            return f"read; needs {cause.name}, which only the workers have"
        raise


def _references(folder: str) -> str:
    from jobs.gamedata.checks.menu_references import MenuReferences

    try:
        return f"{len(MenuReferences.read(folder).names)} pictures"
    except ExtraMissing:
        return "pictures, which only the workers can read"


def _model(settings: PlanSettings) -> str:
    """Check the file without loading it, which would need torch and take seconds."""
    from jobs.gamedata.checks.menu_model import plain_program, read_model

    body = read_model(str(settings.menu_model), settings)
    plain_program(body, str(settings.menu_model))
    return f"{len(body) / 1e6:.1f} MB"
