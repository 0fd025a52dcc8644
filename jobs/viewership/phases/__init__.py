"""The phases of an upload: keep and read a file, store its rows, find deals and episodes, load final rows."""
