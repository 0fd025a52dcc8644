"""Argo workflows, compiled from the settings models with Hera. Code in the images does not import this package."""
