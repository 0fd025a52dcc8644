"""The Argo workflows, compiled from the settings models by Hera; nothing that goes into an image imports this."""
