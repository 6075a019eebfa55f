"""The folder that a server takes as it is: it is written here, and checked where it runs."""
