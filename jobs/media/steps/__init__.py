"""The commands of `telecine media`, one module each."""
