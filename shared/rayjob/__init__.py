"""Steps on a Ray cluster of their own: a KubeRay RayJob, made, followed and cleaned up by a launcher (DESIGN §7)."""
