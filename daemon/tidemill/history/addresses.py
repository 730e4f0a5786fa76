"""The address of a history: a path, or the URL of a database."""

from typing import Final

UNREADABLE_URL: Final = "the database URL cannot be read; it looks like postgresql+psycopg://user:password@host/name"
