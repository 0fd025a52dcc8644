"""Create or re-attach to a RayJob, follow it, log what its pods wait for; keep or delete it on a signal."""

from __future__ import annotations

import functools
import logging
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from shared.errors import Stopped, TelecineError, TransientError
from shared.rayjob.cluster import RayJobExists
from shared.rayjob.log import DriverLog, fetch_log
from shared.rayjob.manifest import make_rayjob
from shared.rayjob.pods import head_is_up, waiting_for
from shared.rayjob.states import end_of, phase_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.rayjob.cluster import Cluster
    from shared.rayjob.manifest import Job
    from shared.rayjob.settings import RaySettings
    from shared.rayjob.states import End

__all__ = ["Launcher"]

_LOG: Final = logging.getLogger(__name__)
_T = TypeVar("_T")

_POLL_S: Final = 3.0
# Poll faster at first: a short job starts and ends within seconds. Each later poll reads the whole log of the driver.
_FIRST_POLL_S: Final = 1.0
_FIRST_S: Final = 90.0
# The API server (an upgrade of the control plane) or a cluster's head may be unreachable for this long.
_PATIENCE_S: Final = 300.0
# A deletion waits for KubeRay to stop the job and remove its finalizer.
_DELETION_S: Final = 300.0
# Every pod is Pending for a few seconds.
_EXPLAIN_AFTER_S: Final = 10.0
_EXPLAIN_AGAIN_S: Final = 300.0


class Launcher:
    """One attempt to run a step's RayJob.

    Args:
        cluster: the Kubernetes API.
        settings: sizes and locations.
        job: the job to run.
        prepare: called before a RayJob is created, to delete results of an earlier one.
        record: called with the RayJob's uid, repeatedly until it returns True.
        log: shows the driver's log.
        sleep: waits for some seconds; tests pass their own.
        clock: returns seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        settings: RaySettings,
        job: Job,
        *,
        prepare: Callable[[], None] = lambda: None,
        record: Callable[[str], bool] = lambda _: True,
        log: DriverLog | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._manifest = make_rayjob(settings, job)
        self._name: str = self._manifest["metadata"]["name"]
        self._uid: str | None = None
        self._prepare = prepare
        self._record = record
        self._recorded = False
        self._log = log or DriverLog(fetch=_fetch_with(settings))
        self._sleep = sleep
        self._clock = clock
        self._explained: tuple[list[str], float] = ([], 0.0)
        self._head_seen = 0.0

    def run(self) -> End:
        """Create the RayJob or re-attach to it, and wait for its end.

        Returns:
            How the RayJob ended.

        Raises:
            TransientError: the API or the head is unreachable for too long, or something else deleted the RayJob.
            ConfigurationError: rights or KubeRay are missing.
            Stopped: by a signal; the RayJob is deleted if its Workflow is being stopped, otherwise a retry re-attaches.
        """
        try:
            found = self._attach()
            return self._follow(found)
        except (Stopped, KeyboardInterrupt):
            self._handle_stop()
            raise

    def _attach(self) -> dict[str, Any]:
        while True:
            found = self._patient(lambda: self._cluster.get_rayjob(self._name))
            if found is None:
                self._prepare()
                try:
                    found = self._patient(lambda: self._cluster.create_rayjob(self._manifest))
                except RayJobExists:
                    # Its response was lost, or another launcher was faster.
                    continue
                self._uid = found["metadata"]["uid"]
                _LOG.info("created RayJob %s", self._name, extra={"rayjob": self._name, "uid": self._uid})
                return found
            phase = phase_of(found.get("status") or {})
            if phase == "succeeded":
                _LOG.info("RayJob %s has already succeeded", self._name)
                return self._take(found)
            if phase == "ended":
                reason = end_of(found["status"]).reason
                _LOG.info("deleting RayJob %s of an earlier attempt: %s", self._name, reason)
            elif not found["metadata"].get("deletionTimestamp"):
                _LOG.info("re-attaching to RayJob %s", self._name)
                return self._take(found)
            self._delete(found["metadata"]["uid"])

    def _take(self, found: dict[str, Any]) -> dict[str, Any]:
        self._uid = found["metadata"]["uid"]
        return found

    def _delete(self, uid: str) -> None:
        deadline = self._clock() + _DELETION_S
        self._patient(lambda: self._cluster.delete_rayjob(self._name, uid))
        while (found := self._patient(lambda: self._cluster.get_rayjob(self._name))) is not None:
            if found["metadata"]["uid"] != uid:
                return
            if self._clock() > deadline:
                raise TransientError(
                    f"RayJob {self._name} is still being deleted after {_DELETION_S:.0f} s; is KubeRay running?"
                )
            self._sleep(_POLL_S)

    def _follow(self, found: dict[str, Any]) -> End:
        started = self._head_seen = self._clock()
        before = None
        while True:
            status = found.get("status") or {}
            phase = phase_of(status)
            if phase != before:
                _LOG.debug("RayJob %s: %s (%s)", self._name, phase, status.get("jobDeploymentStatus"))
                before = phase
            if phase in ("succeeded", "ended"):
                self._poll_log(status, last=True)
                self._record_once()
                return end_of(status)
            if phase == "starting":
                self._head_seen = self._clock()
                if self._clock() - started >= _EXPLAIN_AFTER_S:
                    self._explain(status)
            else:
                self._watch(status)
            self._sleep(_FIRST_POLL_S if self._clock() - started < _FIRST_S else _POLL_S)
            found = self._refresh()

    def _refresh(self) -> dict[str, Any]:
        found = self._patient(lambda: self._cluster.get_rayjob(self._name))
        if found is None or found["metadata"]["uid"] != self._uid:
            raise TransientError(f"RayJob {self._name} was deleted by something else")
        return found

    def _watch(self, status: dict[str, Any]) -> None:
        """Follow a running driver; wait for some time for a lost head to come back."""
        if self._poll_log(status):
            self._head_seen = self._clock()
            self._record_once()
            return
        if self._clock() - self._head_seen < _PATIENCE_S:
            return
        # The head may be up but unreachable from here: outside the cluster its name does not resolve.
        if head_is_up(self._pods(status)):
            self._head_seen = self._clock()
            return
        assert self._uid is not None
        self._cluster.delete_rayjob(self._name, self._uid)
        raise TransientError(
            f"the head of RayJob {self._name} has been gone for {_PATIENCE_S:.0f} s; committed results are kept"
        )

    def _poll_log(self, status: dict[str, Any], *, last: bool = False) -> bool:
        dashboard, job_id = status.get("dashboardURL"), status.get("jobId")
        return bool(dashboard and job_id and self._log.poll(dashboard, job_id, last=last))

    def _pods(self, status: dict[str, Any]) -> list[dict[str, Any]]:
        cluster = status.get("rayClusterName")
        if not cluster:
            return []
        return self._patient(lambda: self._cluster.list_pods(f"ray.io/cluster={cluster}"))

    def _explain(self, status: dict[str, Any]) -> None:
        lines, shown_at = self._explained
        now = waiting_for(status, self._pods(status))
        if now and (now != lines or self._clock() - shown_at >= _EXPLAIN_AGAIN_S):
            self._explained = (now, self._clock())
            for line in now:
                _LOG.warning("waiting for the Ray cluster: %s", line)

    def _record_once(self) -> None:
        if not self._recorded and self._uid is not None:
            try:
                self._recorded = self._record(self._uid)
            except TransientError as error:
                _LOG.debug("cannot write the RayJob's uid to the ledger yet: %s", error)
            except TelecineError as error:
                self._recorded = True
                _LOG.warning("cannot write the RayJob's uid to the ledger: %s", error)

    def _handle_stop(self) -> None:
        """Delete the RayJob if its Workflow is being stopped; after a lost pod, a retry re-attaches to it."""
        name = self._settings.workflow
        try:
            # The signal may have arrived while the API was creating it.
            found = self._cluster.get_rayjob(self._name)
            if found is None or self._uid not in (None, found["metadata"]["uid"]):
                return
            workflow = self._cluster.get_workflow(name) if name else None
            # Without a Workflow a user pressed Ctrl-C, and no retry will come.
            if workflow is None or (workflow.get("spec") or {}).get("shutdown"):
                self._cluster.delete_rayjob(self._name, found["metadata"]["uid"])
                _LOG.info("deleted RayJob %s: the run is being stopped", self._name)
            else:
                _LOG.info("RayJob %s keeps running: a retry will re-attach to it", self._name)
        except TelecineError as error:
            _LOG.warning("leaving RayJob %s to the sweep: %s", self._name, error)

    def _patient(self, call: Callable[[], _T]) -> _T:
        deadline = self._clock() + _PATIENCE_S
        while True:
            try:
                return call()
            except RayJobExists:
                raise
            except TransientError as error:
                if self._clock() >= deadline:
                    raise
                _LOG.warning("%s; retrying", error)
            self._sleep(_POLL_S)


def _fetch_with(settings: RaySettings) -> Callable[[str, str], str]:
    token = settings.auth_token.get_secret_value() if settings.auth_token else None
    return functools.partial(fetch_log, token=token)
