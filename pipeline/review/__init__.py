"""A person's look at a batch: keying, the promise that comes of it, and the way back into training."""
