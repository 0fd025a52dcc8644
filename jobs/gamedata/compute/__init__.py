"""Worker pools, on this machine or on the nodes of a Ray cluster; independent of the work they run."""
