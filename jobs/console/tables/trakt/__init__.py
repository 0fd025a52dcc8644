"""Queries of Trakt's gold tables and service levels."""
