"""The address of a history: a path, or the URL of a database."""

from typing import Final

UNREADABLE_URL: Final = "the database URL cannot be read; it looks like postgresql+psycopg://user:password@host/name"


def with_driver(url: str) -> str:
    """Return *url* with the driver that comes with tidemill, where it names none."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return f"postgresql+psycopg://{url.removeprefix(scheme)}"
    return url
