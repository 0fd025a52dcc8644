"""What runs in a pod: one package per pipeline, joined by :mod:`jobs.cli`."""
