"""The umbrella pipeline, which writes one index page for all pipelines of a run."""
