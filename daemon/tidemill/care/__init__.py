"""Keeping the state directory small and sound: what is kept how long, what is removed, what is examined and mended.

Nothing here decides what runs; what is removed has ended, and lies in the state directory. The daemon does it beside
its load, a command does it where there is no daemon. May import history, journal, config and the floors below.
"""
