"""The registry: versions, their champion and the gate, in Git tags; the bytes in DVC."""
