"""Sample files of every platform, with a catalogue and deals, whose outcomes are known."""
