"""The step contract, and how a command runs from its flags to its exit code."""
