"""Flow files: loaded as modules, searched for flows, and described as plain data.

Knows graphs, and nothing of runs.
"""
