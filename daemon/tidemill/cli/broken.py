"""Broken files, one line each."""

from typing import Any

from tidemill.cli.terminal import neutral


def error_line(error: Any) -> str:
    """Return where a file is wrong, and what is wrong there."""
    if not isinstance(error, dict):
        return neutral(error)
    where = f"{error.get('file')}:{error['line']}" if error.get("line") else str(error.get("file"))
    return neutral(f"{where}: {error.get('message')}")
