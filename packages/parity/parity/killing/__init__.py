"""Kills real trainings with `kill -9`, lets them go on, and compares them with a training that was never killed."""
