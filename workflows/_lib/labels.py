"""Labels by which the chart, alerts and operators select objects, and annotations for the Argo UI."""

from __future__ import annotations

__all__ = ["labels", "shown"]


def labels(component: str, pipeline: str, step: str = "") -> dict[str, str]:
    """Return the labels of an object or a pod.

    Args:
        component: ``workflow``, ``cron`` or ``step``.
        pipeline: name of the pipeline, such as ``gamedata``.
        step: name of the step, such as ``extract``; empty for an object that does not belong to one step.
    """
    common = {
        "app.kubernetes.io/name": "telecine",
        "app.kubernetes.io/part-of": "telecine",
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/managed-by": "argo-workflows",
        "telecine/pipeline": pipeline,
    }
    return common | ({"telecine/step": step} if step else {})


def shown(title: str, description: str) -> dict[str, str]:
    """Return the annotations that the Argo UI shows instead of the name and below it, in Markdown."""
    return {"workflows.argoproj.io/title": title, "workflows.argoproj.io/description": description}
