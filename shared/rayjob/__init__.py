"""Steps on a separate Ray cluster: a KubeRay RayJob that a launcher creates, follows and cleans up."""
