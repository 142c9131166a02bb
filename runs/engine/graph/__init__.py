"""Runs of graphs with several nodes: steps, branches, waits and checkpoints."""
