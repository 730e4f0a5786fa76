"""The socket's language: how a person's command reaches the daemon, and who may give one.

Frames of JSON over a Unix socket, decided by the peer's uid. The client is plain blocking standard
library, because every command of the CLI pays for it; the server lives in the daemon's asyncio loop. What
a verb does is none of this room's business: the service hands in the handlers.
"""
