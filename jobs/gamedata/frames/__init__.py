"""Choose the frames to sample from a video, decode them, and measure them."""
