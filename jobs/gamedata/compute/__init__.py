"""Pools of workers: on this machine, or over the nodes of a Ray cluster. Knows nothing of TARs."""
