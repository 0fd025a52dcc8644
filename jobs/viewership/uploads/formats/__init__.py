"""The formats of platforms' files: one YAML file per platform and version."""
