"""Finding the digit in a scan or a photo: what is paper, what is ink, which pieces of ink are the digit."""
