"""The contract with producers: the run manifest, its versions, and the kinds of artifacts."""
