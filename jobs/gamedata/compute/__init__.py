"""Worker pools: on this machine or on the nodes of a Ray cluster. This room knows nothing of TARs."""
