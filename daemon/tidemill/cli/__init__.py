"""The person's program: parse, ask the history or the socket, render.

One verb one file, in ``commands/``, imported when the verb is used; no command calls another. Reading opens the
history read-only and never needs the daemon. Nothing heavy may be imported here at the top of a module: no
SQLAlchemy, rich, msgspec or asyncio, nor ever the engine or a flow file.
"""
