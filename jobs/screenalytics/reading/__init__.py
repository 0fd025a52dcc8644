"""Read and check a candidate: its manifest, artifacts and persons."""
