"""Start runs of viewership that users request: as a Workflow in a cluster, as a child process on a laptop."""
