"""The words of tidemill: states, events, runs, manifests, schedules, results, errors.

Pure values on the standard library. Nothing here reads a clock, a disk or a socket, and nothing
here imports another room.
"""
