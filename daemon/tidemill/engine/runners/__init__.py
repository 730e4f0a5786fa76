"""Where the code of submitted tasks is executed: the interface, and the processes beside the run."""
