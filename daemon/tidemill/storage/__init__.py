"""Where the values are kept that tasks and flows return: handlers, and the stored forms of values.

May import domain, journal and config, and shares its floor with authoring, which it does not know; must stay light,
because every run process is forked with it (a database, a cloud and a data frame are imported by the handler that
needs them, when it first does); must never import the engine, the history or anything of the daemon.
"""
