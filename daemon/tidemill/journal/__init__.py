"""A run's own record: append and follow.

One append-only file a run, written by the run process alone and read by whoever wants to know. The
writer needs nobody to listen; the reader needs nobody to be alive.
"""
