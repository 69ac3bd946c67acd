"""Pictures in ZIP and tar archives: which there are, where each begins, and what is in it. No archive is ever unpacked."""
