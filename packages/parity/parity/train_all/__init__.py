"""`train_all`: a few steps of every network in a framework, from its recipe."""
