"""From a video's index to the frames to decode, their pictures, and numbers from these."""
