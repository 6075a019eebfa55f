"""The command lines of `python -m parity`: one file a command.

What a command needs is imported when it runs.
"""
