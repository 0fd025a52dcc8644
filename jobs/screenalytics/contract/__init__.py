"""The contract with producers: the run manifest and its versions, and the kinds of artifacts."""
