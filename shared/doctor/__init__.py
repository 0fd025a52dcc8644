"""Diagnose an installation (`telecine doctor`): packages, database, store and cluster."""
