"""Makes run processes: a small warm process that forks one child a run, and reaps it.

The server is started by the daemon and outlives it; the client is the daemon's end of its socket.
"""
