"""Looks at the environments, the machine, the data and the caches, and says what is wrong and what to do about it.

It imports no framework. What only an environment can tell, a probe tells that runs in it as a child process.
"""
