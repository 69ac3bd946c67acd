"""How the network learns: what only training runs."""
