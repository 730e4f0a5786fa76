"""Everything that was recorded: flows and their versions, schedules, the ledger of moments, runs, tasks, results.

SQLAlchemy and Alembic live and end here. One recorder writes, in its own thread; readers open the history
themselves, read only, with the standard library. Nothing here knows what is due, what may start or what a
flow file is, and nothing that was stored is ever executed or unpickled. May import domain and journal.
"""
