"""Named concurrency limits: who holds a slot, and who waits for one.

A slot is a byte of a file, locked by the process that holds it; so the kernel takes it back with the process,
whatever ended that, and no slot can be lost. Runs hold slots; the daemon and the command line look. May import
the domain; knows nothing of flows and runs but their names. Standard library only: every run process has it.
"""
