"""The ground floor that all packages but `deploy` share: no networks, no training, no framework."""
