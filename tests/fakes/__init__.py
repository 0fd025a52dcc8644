"""Stand-ins for servers, clocks and runs, one module each."""
