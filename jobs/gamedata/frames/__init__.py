"""Choose the frames of a video, decode them and measure them."""
