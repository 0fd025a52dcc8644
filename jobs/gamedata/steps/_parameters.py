"""Check a step's parameters before it starts work: buckets, files, pictures, programs and form names.

All problems are reported at once. ``plan`` checks the parameters of all steps.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.gamedata.extraction.estimate import cluster_of
from shared.errors import (
    AccessDenied,
    ExtraMissing,
    ObjectMissing,
    TelecineError,
    TransientError,
    UsageError,
    most_severe,
)
from shared.step.form import check_names, is_known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from jobs.gamedata.checks import Registry
    from jobs.gamedata.settings import ExtractSettings, ManifestSettings, PlanSettings, RunSettings

    Check = tuple[str, str, Callable[[], str]]

__all__ = ["Checked", "check_device", "check_extract", "check_manifest", "check_run", "local_paths", "validate"]

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
    return _run_checks(_plan_checks(settings))


def check_extract(settings: ExtractSettings) -> None:
    """Check the parameters of ``extract``; see :func:`validate`. A store that does not answer is left to the step."""
    _run_checks([*_bucket_checks(settings), *_task_checks(settings)], tolerate=TransientError)


def check_manifest(settings: ManifestSettings) -> None:
    """Check the parameters that ``manifest`` uses only at its end; see :func:`check_extract`."""
    _run_checks(_late_checks(settings), tolerate=(TransientError, AccessDenied))


def check_run(settings: RunSettings) -> None:
    """Check the parameters of the stages that ``run`` runs; see :func:`check_extract`."""
    checks: list[Check] = []
    if settings.stage in ("both", "extraction"):
        checks += [*_bucket_checks(settings), *_task_checks(settings)]
    if settings.stage in ("both", "manifest"):
        checks += [*_late_checks(settings), *_check_checks(settings)]
    _run_checks(checks, tolerate=TransientError)


def _run_checks(
    checks: Iterable[Check], *, tolerate: type[TelecineError] | tuple[type[TelecineError], ...] = ()
) -> list[Checked]:
    checked: list[Checked] = []
    errors: list[TelecineError] = []
    for flag, value, check in checks:
        try:
            checked.append(Checked(flag, value, check()))
        except tolerate:
            continue
        except TelecineError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        worst = most_severe(*(error.exit_code for error in errors))
        first = next(error for error in errors if error.exit_code == worst)
        messages = dict.fromkeys(error.message for error in errors)
        raise type(first)("\n".join(messages), code=first.code, **first.data)
    return checked


def _plan_checks(settings: PlanSettings) -> Iterator[Check]:
    yield from _bucket_checks(settings)
    yield from _late_checks(settings)
    yield from _task_checks(settings)
    yield from _check_checks(settings)
    if settings.compute != "local":
        yield "workers", settings.compute, lambda: _workers(cluster_of(settings))
    if is_known():
        yield "names of the form", "", lambda: check_names(pipeline="gamedata")


def _bucket_checks(settings: ExtractSettings) -> Iterator[Check]:
    yield "--source-bucket", settings.source_bucket, lambda: _source(settings)
    yield "--manifest-bucket", settings.manifest_bucket, lambda: _target(settings)
    yield "--device", settings.device, lambda: check_device(settings.compute, settings.device)


def _task_checks(settings: ExtractSettings) -> Iterator[Check]:
    if settings.task_list:
        yield "--task-list", settings.task_list, lambda: _task_list(settings)


def _late_checks(settings: ManifestSettings) -> Iterator[Check]:
    yield "--output-path", settings.output_path, lambda: _output(settings)
    if settings.cache_dir:
        yield "--cache-dir", settings.cache_dir, lambda: _folder("--cache-dir", str(settings.cache_dir))


def _check_checks(settings: ManifestSettings) -> Iterator[Check]:
    registry: list[Registry] = []  # shared by all files, so that colliding check names are found
    for path in settings.checks:
        yield "--checks", path, lambda path=path: _check_file(path, settings, registry)  # type: ignore[misc]
    if settings.menu_references:
        yield "--menu-references", settings.menu_references, lambda: _references(str(settings.menu_references))
    if settings.menu_model:
        yield "--menu-model", settings.menu_model, lambda: _model(settings)


def _source(settings: ExtractSettings) -> str:
    try:
        return _bucket(settings, settings.source_bucket)
    except AccessDenied:
        if not settings.task_list:
            raise
        return "cannot be listed; the task list names its keys"


def _bucket(settings: ExtractSettings, uri: str) -> str:
    from shared.storage import open_store

    first = next(iter(open_store(uri, settings).list(settings.prefix)), None)
    return "can be listed" if first is not None else "can be listed; empty"


def _target(settings: ExtractSettings) -> str:
    uri = settings.manifest_bucket
    if not uri.startswith("file:"):
        return _bucket(settings, uri)
    found = _folder("--manifest-bucket", uri.removeprefix("file://"))
    return found or _bucket(settings, uri)


def _folder(flag: str, path: str) -> str:
    """Check that files can be written below a folder; return ``will be created`` or an empty text.

    Raises:
        UsageError: a part of the path is a file.
        AccessDenied: the folder, or the one in which it would be created, cannot be written.
    """
    there = os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps ".."
    wanted = there
    while not os.path.lexists(there):
        there = os.path.dirname(there)  # noqa: PTH120
    if not os.path.isdir(there):  # noqa: PTH112
        raise UsageError(f"{flag} {path}: {there} is a file; expected a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise AccessDenied(
            f"{flag} {path}: {there} is not writable; grant access to this user (uid {os.getuid()}) or use "
            "another folder",
            bucket=f"file://{there}",
            action="put",
        )
    return "" if there == wanted else "will be created"


def check_device(compute: str, device: str) -> str:
    """Check that the device exists where the workers run.

    Raises:
        UsageError: workers of this kind have no GPU.
    """
    if compute == "cpu" and device == "cuda":
        raise UsageError(
            "--device cuda does not work with --compute cpu, whose workers have no GPU; expected --device auto or cpu,"
            " or --compute auto, gpu or mixed"
        )
    return "CUDA on workers that have it, otherwise CPU" if device == "auto" else device


def local_paths(settings: ExtractSettings) -> dict[str, str]:
    """Return the flags whose values pods cannot reach, with these values."""
    uris = {
        "--source-bucket": settings.source_bucket,
        "--manifest-bucket": settings.manifest_bucket,
        "--task-list": settings.task_list,
    }
    return {flag: uri for flag, uri in uris.items() if uri is not None and not uri.startswith("s3://")}


def _workers(compute: str) -> str:
    from shared.rayjob.bounds import check_workers, read_settings
    from shared.rayjob.manifest import groups_of

    found = read_settings()
    groups = groups_of(compute)
    check_workers(found, groups)
    return ", ".join(f"{getattr(found, f'{group}_workers')} {group}" for group in groups)


def _output(settings: ManifestSettings) -> str:
    from shared.storage import holds_secrets, open_store, split_uri

    path = settings.output_path
    try:
        root, key = split_uri(path)
    except ValueError as error:
        raise UsageError(f"--output-path: {error}") from error
    if root.startswith("file:"):
        file = os.path.realpath(os.path.join(root.removeprefix("file://"), key))  # noqa: PTH118
        if os.path.isdir(file):  # noqa: PTH112
            raise UsageError(f"--output-path {path} is a folder; expected a file, such as {path}/manifest.parquet")
        if holds_secrets(file):
            raise UsageError(f"--output-path {path} is below /proc or a folder of secrets; expected another file")
        _folder("--output-path", os.path.dirname(file))  # noqa: PTH120
        return "a file"
    try:
        open_store(root, settings).stat(key)
    except ObjectMissing:
        return "new"
    return "will be replaced"


def _task_list(settings: ExtractSettings) -> str:
    from jobs.gamedata.extraction.task_list import read_task_list
    from shared.storage import open_store

    tasks = read_task_list(settings, open_store(settings.source_bucket, settings).uri)
    invalid = f", {len(tasks.invalid):,} invalid lines" if tasks.invalid else ""
    return f"{len(tasks.keys):,} keys{invalid}"


def _check_file(path: str, settings: ManifestSettings, known: list[Registry]) -> str:
    from jobs.gamedata.checks.load import CheckFile, load_built_in, load_file

    file = CheckFile.read(path, settings.checks_places)
    if not known:
        known.append(load_built_in())
    try:
        return f"{load_file(file, known[0])} checks"
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


def _model(settings: ManifestSettings) -> str:
    """Check the file without loading it, which would need torch and take seconds."""
    from jobs.gamedata.checks.menu_model import plain_program, read_model

    body = read_model(str(settings.menu_model), settings)
    plain_program(body, str(settings.menu_model))
    return f"{len(body) / 1e6:.1f} MB"
