"""A team's registry: what leaves this machine, and what comes, by a Git remote and a DVC remote."""
