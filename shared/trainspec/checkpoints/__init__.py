"""Checkpoints: a training in two files, from which either framework goes on as if it had never stopped."""
