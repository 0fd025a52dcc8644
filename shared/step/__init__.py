"""The step contract, and the execution of a command from its flags to its exit code."""
