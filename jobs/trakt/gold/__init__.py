"""Publish gold: verify the Parquet files of a build, and copy them to PostgreSQL in one transaction."""
