"""The umbrella pipeline: an index page over all pipelines of a run."""
