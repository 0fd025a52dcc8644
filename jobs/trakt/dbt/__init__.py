"""The dbt project: models, macros, tests and metrics, and the plugin that runs in dbt's own environment."""
