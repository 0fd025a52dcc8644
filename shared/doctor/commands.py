"""The command `telecine doctor`: examine every area, print text or JSON, and exit with 0, 75 or 78."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.doctor import argo, machine, places, readiness
from shared.errors import EXIT_CONFIGURATION, EXIT_OK, EXIT_TRANSIENT, TelecineError
from shared.finding import Finding, of_error
from shared.text import as_json, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shared.doctor.settings import DoctorSettings

__all__ = ["doctor", "exit_code"]


def doctor(
    settings: DoctorSettings, more: Callable[[DoctorSettings], Iterator[Finding]] | None = None
) -> tuple[str, int]:
    """Examine the installation, and return the findings as text or JSON, with the exit code.

    Nothing is changed, except that an object is written to each write bucket and then deleted.

    Args:
        settings: what to examine.
        more: yields findings of packages that this one cannot import.
    """
    findings = list(_examine(settings))
    if more is not None:
        findings += more(settings)
    code = exit_code(findings)
    if settings.format == "json":
        return as_json({"exit_code": code, "lines": [_as_json(each) for each in findings]}, indent=2), code
    return _as_text(findings), code


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 0 if nothing failed, 75 if all failures may be transient, and 78 if an operator must act."""
    failed = [each for each in findings if each.status == "fail"]
    if not failed:
        return EXIT_OK
    return EXIT_TRANSIENT if all(each.retryable for each in failed) else EXIT_CONFIGURATION


def _examine(settings: DoctorSettings) -> Iterator[Finding]:
    yield from machine.examine()
    yield from places.examine_database(settings)
    yield from places.examine_store(settings)
    if settings.console_url is not None:
        yield readiness.examine(settings.console_url)
    if settings.cluster:
        yield argo.examine()
        try:
            from shared.rayjob.doctor import look

            yield from look(settings.namespace)
        except TelecineError as error:
            yield of_error("cluster", "connection", error)
        except ModuleNotFoundError as error:
            message = f"cannot be checked without the package {error.name}"
            yield Finding("cluster", "connection", "warn", message, "pip install 'telecine[cluster]'")


def _as_json(finding: Finding) -> dict[str, Any]:
    # These keys are a public format, older than the attributes' names.
    return {
        "area": finding.area,
        "name": finding.name,
        "status": finding.status,
        "said": finding.message,
        "todo": finding.fix,
        "retryable": finding.retryable,
    }


def _as_text(findings: Sequence[Finding]) -> str:
    width = max(len(one_line(each.name)) for each in findings)
    rows: list[str] = []
    area = ""
    for each in findings:
        if each.area != area:
            area = each.area
            rows += ["", area] if rows else [area]
        message = " ".join(each.message.split())
        rows.append(f"  {each.status:<4}  {one_line(each.name):<{width}}  {message}")
        if each.fix:
            rows.append(f"        {'':<{width}}  -> {' '.join(each.fix.split())}")
    counts = {status: sum(each.status == status for each in findings) for status in ("ok", "warn", "fail")}
    return "\n".join([*rows, "", ", ".join(f"{count} {status}" for status, count in counts.items())])
