"""`train_all`: trains every network for a few steps in a framework, from the network's recipe."""
