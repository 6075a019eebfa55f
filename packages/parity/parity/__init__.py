"""Holds the three implementations of a network to one another and says where they part."""
