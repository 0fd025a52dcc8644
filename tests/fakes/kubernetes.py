"""A cluster in memory in the place of `shared.rayjob.cluster.KubernetesCluster`, and a clock that sleeping moves."""

from __future__ import annotations

import copy

from shared.rayjob.cluster import RayJobExists

__all__ = ["Clock", "FakeCluster", "status"]


def status(deployment: str = "", job: str = "", **more: object) -> dict:
    """A RayJob's status as KubeRay writes it."""
    return {
        "jobDeploymentStatus": deployment,
        "jobStatus": job,
        "rayClusterName": "ray-1",
        "jobId": "job-1",
        "dashboardURL": "ray-1-head-svc.telecine.svc.cluster.local:8265",
        **more,
    }


class Clock:
    """Seconds that pass only by sleeping; `at` calls functions when their time has come."""

    def __init__(self):
        self.now = 0.0
        self.events = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        for event in [each for each in self.events if each[0] <= self.now]:
            self.events.remove(event)
            event[1]()

    def at(self, seconds, call):
        self.events.append((seconds, call))


class FakeCluster:
    """Holds RayJobs, Workflows and pods.

    Attributes:
        script: statuses of a RayJob that is made here, one for each look at it; the last one stays.
        faults: exceptions that the next calls raise, in their order; None lets a call through.
        deletions_take: so many looks until a deleted RayJob is gone.
        calls: what was called, with the name.
    """

    namespace = "telecine"

    def __init__(self, script=(), *, workflows=None, pods=(), deletions_take=0):
        self.script = list(script) or [status()]
        self.rayjobs = {}
        self.workflows = workflows or {}
        self.pods = list(pods)
        self.faults = []
        self.deletions_take = deletions_take
        self.calls = []
        self.made = 0
        self._scripts = {}
        self._going = {}

    def put(self, manifest, *statuses):
        """Add a RayJob as if it had been made before."""
        self.made += 1
        made = copy.deepcopy(manifest)
        made["metadata"]["uid"] = f"uid-{self.made}"
        self.rayjobs[made["metadata"]["name"]] = made
        self._scripts[made["metadata"]["uid"]] = list(statuses or self.script)
        return made

    def get_rayjob(self, name):
        self._called("get", name)
        found = self.rayjobs.get(name)
        if found is None:
            return None
        uid = found["metadata"]["uid"]
        if uid in self._going:
            self._going[uid] -= 1
            if self._going[uid] < 0:
                del self.rayjobs[name]
                return None
        script = self._scripts[uid]
        found["status"] = script.pop(0) if len(script) > 1 else script[0]
        return copy.deepcopy(found)

    def create_rayjob(self, manifest):
        self._called("create", manifest["metadata"]["name"])
        if manifest["metadata"]["name"] in self.rayjobs:
            raise RayJobExists("it exists")
        return copy.deepcopy(self.put(manifest))

    def delete_rayjob(self, name, uid):
        self._called("delete", name)
        found = self.rayjobs.get(name)
        if found is None or found["metadata"]["uid"] != uid:
            return
        if self.deletions_take:
            found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            self._going[uid] = self.deletions_take
        else:
            del self.rayjobs[name]

    def list_rayjobs(self, selector):
        self._called("list", selector)
        wanted = dict(part.split("=") for part in selector.split(","))
        return [
            copy.deepcopy(each)
            for each in self.rayjobs.values()
            if wanted.items() <= each["metadata"]["labels"].items()
        ]

    def get_workflow(self, name):
        self._called("workflow", name)
        return self.workflows.get(name)

    def list_pods(self, selector):
        self._called("pods", selector)
        return self.pods

    def names_of(self, call):
        return [name for called, name in self.calls if called == call]

    def _called(self, call, name):
        self.calls.append((call, name))
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault
