"""Argo workflows, generated with Hera from the settings models. Code in the images does not import this package."""
