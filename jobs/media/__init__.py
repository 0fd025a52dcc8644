"""The umbrella: what all pipelines of one run came to."""
