"""Code that runs in pods: one package per pipeline, joined by :mod:`jobs.cli`."""
