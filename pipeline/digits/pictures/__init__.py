"""From a file to the field that the network reads, and what there is to doubt in it."""
