"""Take in runs: prefetch candidates, decide what to do with each, write it once, and count the results."""
