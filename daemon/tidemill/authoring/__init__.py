"""What a flow file imports: tasks, flows, their options, and the context of a run.

Declares and never runs: calling a flow or a task asks the engine that the façade installed. May import
domain, journal and config; must stay light, because every flow file pays for it; must never import the
engine, the history or anything of the daemon.
"""
