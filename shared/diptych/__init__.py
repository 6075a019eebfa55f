"""The ground floor that all packages except `deploy` share: no networks, no training, no framework."""
