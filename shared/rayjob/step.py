"""Run a step on a Ray cluster: from its settings to the driver's report, in the launcher's process."""

from __future__ import annotations

import logging
import shlex
from typing import TYPE_CHECKING, Final, Literal

from shared.errors import (
    EXIT_CONFIGURATION,
    EXIT_DATA,
    EXIT_OK,
    EXIT_TRANSIENT,
    EXIT_USAGE,
    ConfigurationError,
    DataError,
    ObjectMissing,
    TelecineError,
    TransientError,
    UsageError,
    most_severe,
)
from shared.rayjob.bounds import check_workers, read_settings
from shared.rayjob.cluster import connect
from shared.rayjob.launcher import Launcher
from shared.rayjob.manifest import Job, groups_of
from shared.rayjob.states import phase_of
from shared.rayjob.sweep import sweep
from shared.report import Report
from shared.settings.flags import arguments
from shared.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from shared.rayjob.cluster import Cluster
    from shared.rayjob.states import End
    from shared.settings import StepSettings

__all__ = ["RayStep"]

_LOG: Final = logging.getLogger(__name__)
_FILES: Final = ("report.json", "report.html")
_ERRORS: Final = {
    EXIT_USAGE: UsageError,
    EXIT_DATA: DataError,
    EXIT_TRANSIENT: TransientError,
    EXIT_CONFIGURATION: ConfigurationError,
    # A driver that a signal ended: the next one continues.
    130: TransientError,
    143: TransientError,
}


class RayStep:
    """A step that runs as a RayJob.

    Args:
        settings: settings of the step; those that differ from their defaults are passed to the driver.
        pipeline: such as ``gamedata``.
        step: such as ``extract``; also the stage that the driver opens in the ledger.
        compute: the groups of workers.
        cluster: the Kubernetes API; that of the pod or the kubeconfig by default.
        make_launcher: creates the launcher that follows the RayJob.

    Raises:
        ConfigurationError: a variable is not valid, or no cluster can be reached.
        UsageError: more workers are asked for than the installation allows.
    """

    def __init__(
        self,
        settings: StepSettings,
        *,
        pipeline: str,
        step: str,
        compute: Literal["cpu", "gpu", "mixed"],
        cluster: Cluster | None = None,
        make_launcher: Callable[..., Launcher] = Launcher,
    ) -> None:
        ray = read_settings()
        check_workers(ray, groups_of(compute))
        if ray.workflow and not settings.run_id:
            raise ConfigurationError("TELECINE_WORKFLOW is set but TELECINE_RUN_ID is not; expected the Workflow's uid")
        self._cluster = cluster or connect(ray.namespace)
        self._ray = ray.model_copy(update={"namespace": self._cluster.namespace})
        self._settings = settings
        self._pipeline = pipeline
        self._step = step
        self._compute = compute
        self._make_launcher = make_launcher

    def is_there(self) -> bool:
        """Return whether an earlier attempt has left a RayJob that is running or has succeeded."""
        if self._settings.run_id is None:
            return False
        found = self._cluster.get_rayjob(self._job(self._settings.run_id).name(self._ray))
        return found is not None and phase_of(found.get("status") or {}) != "ended"

    def run(self, settings: StepSettings, stage_run: Any) -> Report:
        """Launch, wait, and return the driver's report with its exit code.

        Args:
            settings: settings of the step.
            stage_run: has the run's id; the driver opens the ledger's stage itself.

        Raises:
            TelecineError: the cluster failed, or the driver failed without leaving a report.
        """
        run_id: str = stage_run.run_id
        launcher = self._make_launcher(
            self._cluster,
            self._ray,
            self._job(run_id),
            prepare=lambda: self._prepare(run_id),
            record=lambda uid: _record(settings, run_id, self._step, uid),
        )
        end = launcher.run()
        if not end.own:
            raise _ERRORS[end.exit_code](end.reason)
        return self._report(run_id, end)

    def _job(self, run_id: str) -> Job:
        words = ["telecine", self._pipeline, self._step, *arguments(self._settings)]
        return Job(
            pipeline=self._pipeline,
            step=self._step,
            entrypoint=shlex.join(words),
            compute=self._compute,
            run_id=run_id,
            environment={
                "TELECINE_REPORT_DIR": self._folder(run_id),
                "TELECINE_LOG_LEVEL": self._settings.log_level,
            },
        )

    def _folder(self, run_id: str) -> str:
        root = self._ray.report_root.rstrip("/")
        return f"{root}/{self._ray.namespace}/{self._ray.workflow or run_id}/{self._step}-driver"

    def _prepare(self, run_id: str) -> None:
        """Delete the report of an earlier driver, and RayJobs of runs that have ended, whose pods occupy the nodes."""
        try:
            sweep(self._cluster)
        except TelecineError as error:
            _LOG.warning("cannot delete RayJobs of ended runs: %s; the sweep's cron will", error)
        self._delete_report(run_id)

    def _delete_report(self, run_id: str) -> None:
        """Delete the report of an earlier driver."""
        store = open_store(self._folder(run_id), self._settings, create=True)
        for name in _FILES:
            store.delete(name)

    def _report(self, run_id: str, end: End) -> Report:
        folder = self._folder(run_id)
        try:
            store = open_store(folder, self._settings)
            document, page = (store.read(name) for name in _FILES)
        except ObjectMissing:
            if end.exit_code == EXIT_OK:
                raise TelecineError(f"the driver succeeded but left no report in {folder}") from None
            kind = _ERRORS.get(end.exit_code, TelecineError)
            raise kind(f"{end.reason} but left no report in {folder}; its log is above") from None
        report = Report.model_validate_json(document)
        report.page = page.decode()
        report.exit_code = most_severe(report.exit_code, end.exit_code)
        return report


def _record(settings: StepSettings, run_id: str, stage: str, uid: str) -> bool:
    from shared.ledger.rayjob import record_rayjob

    return record_rayjob(settings, run_id, stage, uid)
