"""Creates a RayJob or re-attaches to it, follows it to its end, and leaves or deletes it when it is stopped itself."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from shared.errors import Stopped, TelecineError, TransientError
from shared.rayjob.cluster import RayJobExists
from shared.rayjob.log import DriverLog
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
# The API server may be away that long (an upgrade of the control plane), the head of a cluster, too.
_PATIENCE_S: Final = 300.0
# A deletion waits for KubeRay to stop the job and take its finalizer away.
_DELETION_S: Final = 300.0
# Every pod is Pending for some seconds.
_EXPLAIN_AFTER_S: Final = 10.0
_EXPLAIN_AGAIN_S: Final = 300.0


class Launcher:
    """One attempt at a step's RayJob.

    Args:
        cluster: the API.
        settings: sizes and places.
        job: what is to run.
        prepare: called before a RayJob is made: what an earlier one left behind must not be taken for its results.
        note: called with the RayJob's uid, again and again until it returns True.
        log: shows the driver's log.
        sleep: seconds; tests hand in their own.
        clock: seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        settings: RaySettings,
        job: Job,
        *,
        prepare: Callable[[], None] = lambda: None,
        note: Callable[[str], bool] = lambda _: True,
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
        self._note = note
        self._noted = False
        self._log = log or DriverLog()
        self._sleep = sleep
        self._clock = clock
        self._explained: tuple[list[str], float] = ([], 0.0)
        self._head_seen = 0.0

    def run(self) -> End:
        """Create or re-attach, and wait for the end.

        Returns:
            How the RayJob ended.

        Raises:
            TransientError: the API or the head is away for too long, or the RayJob was deleted from outside.
            ConfigurationError: rights, or a missing KubeRay.
            Stopped: by a signal; the RayJob is deleted if its Workflow is being stopped, else a retry finds it.
        """
        try:
            found = self._attach()
            return self._follow(found)
        except (Stopped, KeyboardInterrupt):
            self._stopped()
            raise

    def _attach(self) -> dict[str, Any]:
        while True:
            found = self._patient(lambda: self._cluster.get_rayjob(self._name))
            if found is None:
                self._prepare()
                try:
                    found = self._patient(lambda: self._cluster.create_rayjob(self._manifest))
                except RayJobExists:
                    # An answer that was lost, or another launcher.
                    continue
                self._uid = found["metadata"]["uid"]
                _LOG.info("RayJob %s is made", self._name, extra={"rayjob": self._name, "uid": self._uid})
                return found
            phase = phase_of(found.get("status") or {})
            if phase == "succeeded":
                _LOG.info("RayJob %s has succeeded before", self._name)
                return self._take(found)
            if phase == "ended":
                reason = end_of(found["status"]).reason
                _LOG.info("RayJob %s of an earlier attempt is deleted: %s", self._name, reason)
            elif not found["metadata"].get("deletionTimestamp"):
                _LOG.info("RayJob %s is there already: going on with it", self._name)
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
                    f"RayJob {self._name} is still being deleted after {_DELETION_S:.0f} s: is KubeRay up?"
                )
            self._sleep(_POLL_S)

    def _follow(self, found: dict[str, Any]) -> End:
        began = self._head_seen = self._clock()
        before = None
        while True:
            status = found.get("status") or {}
            phase = phase_of(status)
            if phase != before:
                _LOG.debug("RayJob %s: %s (%s)", self._name, phase, status.get("jobDeploymentStatus"))
                before = phase
            if phase in ("succeeded", "ended"):
                self._poll_log(status, last=True)
                self._note_once()
                return end_of(status)
            if phase == "starting":
                self._head_seen = self._clock()
                if self._clock() - began >= _EXPLAIN_AFTER_S:
                    self._explain(status)
            else:
                self._watch(status)
            self._sleep(_POLL_S)
            found = self._again()

    def _again(self) -> dict[str, Any]:
        found = self._patient(lambda: self._cluster.get_rayjob(self._name))
        if found is None or found["metadata"]["uid"] != self._uid:
            raise TransientError(f"RayJob {self._name} was deleted from outside")
        return found

    def _watch(self, status: dict[str, Any]) -> None:
        """Follow a running driver; a head that is gone is given time to come back."""
        if self._poll_log(status):
            self._head_seen = self._clock()
            self._note_once()
            return
        if self._clock() - self._head_seen < _PATIENCE_S:
            return
        # The head may be up, and only not be reached from here: outside the cluster its name means nothing.
        if head_is_up(self._pods(status)):
            self._head_seen = self._clock()
            return
        assert self._uid is not None
        self._cluster.delete_rayjob(self._name, self._uid)
        raise TransientError(
            f"the head of RayJob {self._name} is gone for {_PATIENCE_S:.0f} s; what is committed stays"
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
        lines, told_at = self._explained
        now = waiting_for(status, self._pods(status))
        if now and (now != lines or self._clock() - told_at >= _EXPLAIN_AGAIN_S):
            self._explained = (now, self._clock())
            for line in now:
                _LOG.warning("waiting for the Ray cluster: %s", line)

    def _note_once(self) -> None:
        if not self._noted and self._uid is not None:
            try:
                self._noted = self._note(self._uid)
            except TransientError as error:
                _LOG.debug("the RayJob's uid is not in the ledger yet: %s", error)
            except TelecineError as error:
                self._noted = True
                _LOG.warning("the ledger does not get the RayJob's uid: %s", error)

    def _stopped(self) -> None:
        """Delete the RayJob if its Workflow is being stopped; a retry after a lost pod goes on with it."""
        name = self._settings.workflow
        try:
            # The signal may have come while the API made it.
            found = self._cluster.get_rayjob(self._name)
            if found is None or self._uid not in (None, found["metadata"]["uid"]):
                return
            workflow = self._cluster.get_workflow(name) if name else None
            # Without a Workflow a person has ended it, and nobody will come back for it.
            if workflow is None or (workflow.get("spec") or {}).get("shutdown"):
                self._cluster.delete_rayjob(self._name, found["metadata"]["uid"])
                _LOG.info("RayJob %s is deleted: the run is being stopped", self._name)
            else:
                _LOG.info("RayJob %s goes on: a retry re-attaches to it", self._name)
        except TelecineError as error:
            _LOG.warning("RayJob %s is left to the sweep: %s", self._name, error)

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
                _LOG.warning("%s; trying again", error)
            self._sleep(_POLL_S)
