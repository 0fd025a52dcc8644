"""The client of the Kubernetes API: every call takes the right that it needs, and errors become ours."""
