"""The `.pt` file of a session: written, read, measured."""
