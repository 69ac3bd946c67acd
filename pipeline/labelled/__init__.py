"""A user's own labelled scans: what their labels are, how they are read, and which of them a model learns from."""
