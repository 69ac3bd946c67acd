"""From a field to a digit: the network, its answers, and what they are worth."""
