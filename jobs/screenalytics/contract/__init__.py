"""The contract with producers: keys, versions, the run manifest, and the kinds of artifacts."""
