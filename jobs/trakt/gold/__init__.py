"""Publish gold: the Parquet files of a build, verified, copied to PostgreSQL in one transaction."""
