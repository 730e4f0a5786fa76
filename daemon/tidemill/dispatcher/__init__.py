"""Whether a due run starts now, and what became of it.

Holds the runs that wait and the runs that live; starts them through the fork server, ends them on
cancel and time-out, and judges every exit. Knows nothing of schedules and flow files: it is handed
runs that are recorded already. May import history and forkserver; never the engine.
"""
