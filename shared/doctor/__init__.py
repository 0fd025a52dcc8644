"""Diagnosis of an installation (`telecine doctor`): packages, database, store and cluster."""
