"""Addresses of databases: the driver that is meant, and how an address is shown."""

import re
from typing import Final

_PASSWORD: Final = re.compile(r"^([^:/?#]+://[^:/?#@]*):[^?#]*@")
_SECRET: Final = re.compile(r"(?i)([?&][^=&#]*(?:pass|secret|token|sig)[^=&#]*=)[^&#]*")
_WITHIN_TEXT: Final = re.compile(r"(://[^\s:/@'\"]*):[^\s@'\"]+@")


def with_driver(url: str) -> str:
    """Return *url* with the driver that comes with tidemill, where it names none."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return f"postgresql+psycopg://{url.removeprefix(scheme)}"
    return url


def without_password(url: str) -> str:
    """Return *url* as people may see it: without passwords and tokens, wherever in it they stand."""
    return _SECRET.sub(r"\1***", _PASSWORD.sub(r"\1@", url, count=1))


def redacted(text: str) -> str:
    """Return a text of any kind with the passwords of the URLs in it replaced."""
    return _WITHIN_TEXT.sub(r"\1:***@", text) if "://" in text else text
