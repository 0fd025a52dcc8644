"""Statistics of titles: engagement, decay and ratings, each with n, an interval, and a reason if it has no value.

Pure functions on the standard library alone: they also run in dbt's environment, as DuckDB functions (``functions``).
"""
