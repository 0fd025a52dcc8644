"""One module per command of `telecine gamedata`."""
